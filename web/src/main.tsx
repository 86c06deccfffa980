import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { worthAnotherTry } from './api/problem'
import { startCart } from './cart/store'
import { makeRouter } from './router'
import './styles/index.css'

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
const element = document.getElementById('root')

function show(): void {
  if (!element) return
  createRoot(element).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </StrictMode>,
  )
}

startCart()
// What the edge wrote into the page stands until the page itself is ready: nothing blinks, nothing moves.
void router.load().then(show)
