/** What the checkout says while an order is under way, and when the shop says no. */

import { Link } from '@tanstack/react-router'
import { type ReactNode, useEffect, useRef } from 'react'
import type { Schemas } from '../api/client'
import type { ProblemError } from '../api/problem'
import { useCart, wantInCart } from '../cart/store'
import { money, reason, t, textsOf } from '../i18n'
import { checkoutEn } from '../messages/checkout.en'
import type { Placing } from '../orders/use-placing'

const c = textsOf(checkoutEn)

export function Waiting({ placing }: { placing: Placing }): ReactNode {
  const { busy, finding, trouble } = placing
  const text = trouble ? c(`checkout.${trouble.kind}`) : finding ? c('checkout.finding') : busy ? c('checkout.placing') : ''
  return (
    <div role="status" className={busy ? 'panel' : 'unseen'}>
      {text && <p>{text}</p>}
      {busy && <p className="quiet">{c('checkout.keep')}</p>}
      {trouble && (
        <button type="button" className="button button--quiet" onClick={() => window.dispatchEvent(new Event('online'))}>
          {t('trouble.now')}
        </button>
      )}
    </div>
  )
}

type RefusedProps = { problem: ProblemError; agree: (total: Schemas['Money']) => void; done: () => void }

/** Why there is no order, and what can be done about it. Takes the focus: it is what the shopper has to know. */
export function Refused({ problem, agree, done }: RefusedProps): ReactNode {
  const panel = useRef<HTMLElement>(null)
  const rise = riseOf(problem)
  useEffect(() => panel.current?.focus(), [problem])
  return (
    <section ref={panel} className="panel panel--no" tabIndex={-1} role="alert">
      {problem.code === 'out_of_stock' ? (
        <SoldOut problem={problem} done={done} />
      ) : rise ? (
        <Rose rise={rise} agree={agree} />
      ) : problem.problem.status === 401 ? (
        <p>
          {c('checkout.sessionEnded')}{' '}
          <Link to="/sign-in" search={{ to: '/checkout' }}>
            {c('sign.in')}
          </Link>
        </p>
      ) : problem.code === 'invalid_input' ? (
        <p>{t('form.fix')}</p>
      ) : (
        <p>{c('checkout.refused', { reason: problem.code === 'not_for_sale' ? c('checkout.notForSale') : reason(problem) })}</p>
      )}
    </section>
  )
}

type Short = { isbn: string; title: string; quantity: number; available: number }

function SoldOut({ problem, done }: { problem: ProblemError; done: () => void }): ReactNode {
  const cart = useCart()
  const titles = (problem.problem.titles ?? []) as Short[]
  const left = titles.filter((short) => (cart.lines.find((line) => line.isbn === short.isbn)?.quantity ?? 0) > short.available)

  function take(short: Short): void {
    const line = cart.lines.find((each) => each.isbn === short.isbn)
    if (line) wantInCart(line.isbn, line.title, line.unit_price, short.available)
    if (left.length <= 1) done()
  }

  return (
    <>
      <h2>{c('checkout.soldOut')}</h2>
      <ul>
        {titles.map((short) => (
          <li key={short.isbn}>
            {short.available > 0 ? c('checkout.left', { title: short.title, n: short.available }) : c('checkout.leftNone', { title: short.title })}{' '}
            {left.includes(short) && (
              <button type="button" className="link" onClick={() => take(short)}>
                {short.available > 0 ? c('checkout.take', { n: short.available }) : c('checkout.without')}
              </button>
            )}
          </li>
        ))}
      </ul>
    </>
  )
}

type Risen = { isbn: string; title: string; unit_price: Schemas['Money']; was: Schemas['Money'] }
export type Rise = { expected_total: Schemas['Money']; total: Schemas['Money']; titles: Risen[] }

/** What the books cost now, where that is why there is no order. */
export function riseOf(problem: ProblemError | null): Rise | null {
  return problem?.code === 'price_changed' ? (problem.problem as unknown as Rise) : null
}

function Rose({ rise, agree }: { rise: Rise; agree: (total: Schemas['Money']) => void }): ReactNode {
  const { expected_total: from, total: to, titles } = rise
  return (
    <>
      <h2>{c('checkout.rose')}</h2>
      <p>{c('checkout.roseLead', { from: money(from), to: money(to) })}</p>
      <ul>
        {titles.map((each) => (
          <li key={each.isbn}>
            {c('checkout.roseLine', { title: each.title, from: money(each.was), to: money(each.unit_price) })}
          </li>
        ))}
      </ul>
      <p className="panel__row">
        <button type="button" className="button" onClick={() => agree(to)}>
          {c('checkout.agree', { total: money(to) })}
        </button>
        <Link to="/cart" className="button button--quiet">
          {c('checkout.decline')}
        </Link>
      </p>
    </>
  )
}
