/** What is round every page: the way in, the search, the cart, and what stands between shopper and shop. */

import { Link, Outlet, useLocation } from '@tanstack/react-router'
import { type ReactNode, useSyncExternalStore } from 'react'
import { refreshCart, useCart, useCartState, dismissNotice } from '../cart/store'
import { reason, t } from '../i18n'
import { pendingOrder } from '../orders/placing'
import { useSession } from '../session/use'
import { SearchField } from './search'

export function Layout(): ReactNode {
  return (
    <>
      <a className="skip" href="#page">
        {t('shop.skip')}
      </a>
      <header className="top">
        <div className="top__row">
          <Link to="/" className="wordmark">
            {t('shop.name')}
          </Link>
          <SearchField />
          <nav className="top__nav" aria-label={t('nav.main')}>
            <Link to="/search" search={{}} className="top__browse">{t('nav.browse')}</Link>
            <AccountLinks />
            <CartLink />
          </nav>
        </div>
      </header>
      <Troubles />
      <main id="page">
        <Outlet />
      </main>
      <footer className="foot">
        <p>{t('shop.foot')}</p>
        <p>
          <a href="/docs">{t('shop.api')}</a>
        </p>
      </footer>
    </>
  )
}

function AccountLinks(): ReactNode {
  const session = useSession()
  if (!session) return <Link to="/sign-in">{t('nav.signIn')}</Link>
  return (
    <>
      {session.user.roles.includes('staff') && <Link to="/staff/orders" search={{}}>{t('nav.staff')}</Link>}
      <Link to="/account">{t('nav.account')}</Link>
    </>
  )
}

function CartLink(): ReactNode {
  const { count } = useCart()
  return (
    <Link to="/cart" className="top__cart">
      <span aria-hidden="true">{t('nav.cart')}</span>
      <span className="unseen">{t('nav.cartCount', { n: count })}</span>
      <span className="top__count" data-some={count > 0} aria-hidden="true">
        {count}
      </span>
    </Link>
  )
}

function useOnline(): boolean {
  return useSyncExternalStore(
    (listener) => {
      window.addEventListener('online', listener)
      window.addEventListener('offline', listener)
      return () => {
        window.removeEventListener('online', listener)
        window.removeEventListener('offline', listener)
      }
    },
    () => navigator.onLine,
  )
}

/** An order whose outcome nobody waited for: the checkout finds it. */
function Unsettled(): ReactNode {
  const here = useLocation({ select: ({ pathname }) => pathname })
  const session = useSession()
  const note = here === '/checkout' ? undefined : pendingOrder()
  if (!note || note.userId !== (session?.user.id ?? note.userId)) return null
  return (
    <p className="trouble">
      {t('trouble.unsettled')} <Link to="/checkout">{t('trouble.findOut')}</Link>
    </p>
  )
}

/** What went wrong with the cart, wherever the shopper is. */
function Troubles(): ReactNode {
  const { notices, trouble } = useCartState()
  const online = useOnline()
  const text = !online ? t('trouble.offlineNow') : trouble ? t(`trouble.${trouble.kind}`) : ''
  return (
    <div className="troubles">
      <p role="status" className={text ? 'trouble' : 'unseen'}>
        {text}
        {trouble && online && (
          <button type="button" className="link" onClick={() => window.dispatchEvent(new Event('online'))}>
            {t('trouble.now')}
          </button>
        )}
      </p>
      <Unsettled />
      <div role="alert">
        {notices.map((notice) => (
          <p className="trouble trouble--no" key={notice.id}>
            {t('cart.refused', { title: notice.title, reason: reason(notice.problem) })}
            <button type="button" className="link" onClick={() => { dismissNotice(notice.id); void refreshCart() }}>
              {t('cart.dismiss')}
            </button>
          </p>
        ))}
      </div>
    </div>
  )
}
