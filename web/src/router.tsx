/** Every page of the shop. What everybody sees first comes with the page; the rest when it is needed. */

import { createRootRouteWithContext, createRoute, createRouter, lazyRouteComponent, redirect } from '@tanstack/react-router'
import type { QueryClient } from '@tanstack/react-query'
import { book, found, SHELVES, searchOf, shelf, subjects } from './api/catalog'
import { BookPage } from './pages/book'
import { Home } from './pages/home'
import { importSearch, ordersSearch } from './pages/staff/search'
import { Layout } from './ui/layout'
import { Missing } from './ui/missing'
import { navigated } from './ui/page'

type Context = { queries: QueryClient }

const root = createRootRouteWithContext<Context>()({ component: Layout, notFoundComponent: () => <Missing /> })

// Loaders begin what the page will ask for, and never fail it: a page says itself what it could not read.
const home = createRoute({
  getParentRoute: () => root,
  path: '/',
  loader: async ({ context: { queries } }) => {
    const list = await queries.fetchQuery(subjects).catch(() => null)
    await Promise.allSettled((list?.items ?? []).slice(0, SHELVES).map((each) => queries.fetchQuery(shelf(each.value))))
  },
  component: Home,
})

const search = createRoute({
  getParentRoute: () => root,
  path: '/search',
  validateSearch: searchOf,
  loaderDeps: ({ search: asked }) => asked,
  loader: ({ context: { queries }, deps }) => void queries.prefetchInfiniteQuery(found(deps)),
  component: lazyRouteComponent(() => import('./pages/search'), 'SearchPage'),
})

const bookPage = createRoute({
  getParentRoute: () => root,
  path: '/books/$isbn',
  loader: ({ context: { queries }, params }) => queries.prefetchQuery(book(params.isbn)),
  component: BookPage,
})

const returning = (raw: Record<string, unknown>): { to?: string } => (typeof raw.to === 'string' ? { to: raw.to } : {})

const cart = createRoute({
  getParentRoute: () => root,
  path: '/cart',
  component: lazyRouteComponent(() => import('./pages/cart'), 'CartPage'),
})
const checkout = createRoute({
  getParentRoute: () => root,
  path: '/checkout',
  component: lazyRouteComponent(() => import('./pages/checkout'), 'CheckoutPage'),
})
const order = createRoute({
  getParentRoute: () => root,
  path: '/orders/$id',
  component: lazyRouteComponent(() => import('./pages/order'), 'OrderPage'),
})
const signIn = createRoute({
  getParentRoute: () => root,
  path: '/sign-in',
  validateSearch: returning,
  component: lazyRouteComponent(() => import('./pages/sign'), 'SignIn'),
})
const signUp = createRoute({
  getParentRoute: () => root,
  path: '/sign-up',
  validateSearch: returning,
  component: lazyRouteComponent(() => import('./pages/sign'), 'SignUp'),
})

const account = createRoute({
  getParentRoute: () => root,
  path: '/account',
  component: lazyRouteComponent(() => import('./pages/account'), 'AccountFrame'),
})
const profile = createRoute({
  getParentRoute: () => account,
  path: '/',
  component: lazyRouteComponent(() => import('./pages/account'), 'Profile'),
})
const orders = createRoute({
  getParentRoute: () => account,
  path: '/orders',
  component: lazyRouteComponent(() => import('./pages/account'), 'Orders'),
})
const addresses = createRoute({
  getParentRoute: () => account,
  path: '/addresses',
  component: lazyRouteComponent(() => import('./pages/account'), 'Addresses'),
})

const staff = createRoute({
  getParentRoute: () => root,
  path: '/staff',
  component: lazyRouteComponent(() => import('./pages/staff/frame'), 'StaffFrame'),
})
const staffHome = createRoute({
  getParentRoute: () => staff,
  path: '/',
  beforeLoad: () => {
    throw redirect({ to: '/staff/orders', search: {} })
  },
})
const staffOrders = createRoute({
  getParentRoute: () => staff,
  path: '/orders',
  validateSearch: ordersSearch,
  component: lazyRouteComponent(() => import('./pages/staff/orders'), 'StaffOrders'),
})
const staffOrder = createRoute({
  getParentRoute: () => staff,
  path: '/orders/$id',
  component: lazyRouteComponent(() => import('./pages/staff/orders'), 'StaffOrder'),
})
const staffStock = createRoute({
  getParentRoute: () => staff,
  path: '/stock',
  component: lazyRouteComponent(() => import('./pages/staff/stock'), 'StaffStock'),
})
const staffImport = createRoute({
  getParentRoute: () => staff,
  path: '/import',
  validateSearch: importSearch,
  component: lazyRouteComponent(() => import('./pages/staff/import'), 'StaffImport'),
})
const staffDead = createRoute({
  getParentRoute: () => staff,
  path: '/dead',
  component: lazyRouteComponent(() => import('./pages/staff/dead'), 'StaffDead'),
})
const staffLetter = createRoute({
  getParentRoute: () => staff,
  path: '/dead/$id',
  component: lazyRouteComponent(() => import('./pages/staff/dead'), 'StaffLetter'),
})

const tree = root.addChildren([
  home, search, bookPage, cart, checkout, order, signIn, signUp,
  account.addChildren([profile, orders, addresses]),
  staff.addChildren([staffHome, staffOrders, staffOrder, staffStock, staffImport, staffDead, staffLetter]),
])

export function makeRouter(queries: QueryClient) {
  const router = createRouter({
    routeTree: tree,
    context: { queries },
    defaultPreload: 'intent',
    defaultPreloadStaleTime: 0,
    scrollRestoration: true,
    // Addresses people can read and share: plain parameters, no JSON.
    parseSearch: (text) => Object.fromEntries(new URLSearchParams(text)),
    stringifySearch: (values) => {
      const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== '')
      const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString()
      return text && `?${text}`
    },
  })
  router.subscribe('onBeforeNavigate', ({ fromLocation, pathChanged }) => {
    if (fromLocation && pathChanged) navigated()
  })
  return router
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof makeRouter>
  }
}
