import { Link } from '@tanstack/react-router'
import { type ReactNode, useEffect, useState } from 'react'
import { ahead } from '../ahead'
import { QUANTITY_MAX, type ShownLine } from '../cart/queue'
import { addToCart, refreshCart, useCart, wantInCart } from '../cart/store'
import { money, t } from '../i18n'
import { Cover } from '../ui/books'
import { Heading, Status, usePage } from '../ui/page'

export function CartPage(): ReactNode {
  usePage(t('cart.title'), null)
  const cart = useCart()
  useEffect(() => void refreshCart(), [])
  useEffect(() => ahead(() => import('./checkout')), [])
  if (cart.lines.length === 0) {
    return (
      <div className="narrow">
        <Heading>{t('cart.title')}</Heading>
        <p>{t('cart.empty')}</p>
        <p>
          <Link to="/" className="button">
            {t('page.home')}
          </Link>
        </p>
      </div>
    )
  }
  return (
    <div className="cart">
      <Heading>{t('cart.title')}</Heading>
      <ul className="lines">
        {cart.lines.map((line) => (
          <CartLine key={line.isbn} line={line} />
        ))}
      </ul>
      <div className="cart__foot">
        <p className="sum">
          <span>{t('cart.total')}</span> <strong>{cart.total && money(cart.total)}</strong>
        </p>
        <p className="quiet cart__shipping">{t('cart.shipping')}</p>
        <p className="quiet" aria-hidden="true">
          {cart.pending ? t('cart.saving') : t('cart.saved')}
        </p>
        <Status>{cart.pending ? '' : `${t('cart.saved')}. ${t('cart.total')} ${cart.total ? money(cart.total) : ''}`}</Status>
        <Link to="/checkout" className="button button--wide">
          {t('cart.checkout')}
        </Link>
      </div>
    </div>
  )
}

function CartLine({ line }: { line: ShownLine }): ReactNode {
  const want = (quantity: number) => wantInCart(line.isbn, line.title, line.unit_price, quantity)
  return (
    <li className="line" data-pending={line.pending}>
      <Cover isbn={line.isbn} title={line.title} silent />
      <div className="line__text">
        <h2>
          <Link to="/books/$isbn" params={{ isbn: line.isbn }}>
            {line.title}
          </Link>
        </h2>
        <p className="quiet">{t('cart.each', { price: money(line.unit_price) })}</p>
        <div className="line__row">
          <Quantity line={line} want={want} />
          <button type="button" className="link" aria-label={t('cart.removeOf', { title: line.title })} onClick={() => want(0)}>
            {t('cart.remove')}
          </button>
        </div>
      </div>
      <p className="line__total">{money(line.total)}</p>
    </li>
  )
}

function Quantity({ line, want }: { line: ShownLine; want: (quantity: number) => void }): ReactNode {
  const [typed, setTyped] = useState<string | null>(null)

  // From what the queue holds, not from what was rendered: clicks may be faster than the page.
  const step = (more: number) => addToCart(line.isbn, line.title, line.unit_price, more)

  function take(): void {
    const quantity = Number(typed)
    if (typed !== null && Number.isInteger(quantity) && quantity >= 1 && quantity <= QUANTITY_MAX) want(quantity)
    setTyped(null)
  }

  return (
    <span className="quantity">
      <button type="button" aria-label={t('cart.fewer', { title: line.title })} disabled={line.quantity <= 1} onClick={() => step(-1)}>
        −
      </button>
      <input
        inputMode="numeric"
        aria-label={t('cart.quantityOf', { title: line.title })}
        value={typed ?? String(line.quantity)}
        onChange={(event) => setTyped(event.target.value.replace(/\D/g, '').slice(0, 3))}
        onBlur={take}
        onKeyDown={(event) => event.key === 'Enter' && take()}
      />
      <button type="button" aria-label={t('cart.more', { title: line.title })} disabled={line.quantity >= QUANTITY_MAX} onClick={() => step(1)}>
        +
      </button>
    </span>
  )
}
