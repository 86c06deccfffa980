import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { worthAnotherTry } from './api/problem'
import { startCart } from './cart/store'
import { lookAtEarly } from './early'
import { makeRouter } from './router'

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      networkMode: 'always', // a browser that believes to be offline may still reach the shop
      retry: (failures, error) => failures < 3 && worthAnotherTry(error),
    },
  },
})
const router = makeRouter(queries)

/** Takes the page over. What the edge wrote into it stands until the page itself is ready: nothing blinks, nothing moves. */
export async function show(): Promise<void> {
  const element = document.getElementById('root')
  if (!element) return
  startCart()
  await router.load()
  lookAtEarly()
  createRoot(element).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </StrictMode>,
  )
}
