import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'
import { type FormEvent, type ReactNode, useEffect, useRef, useState } from 'react'
import { ahead } from '../ahead'
import { call, type Schemas } from '../api/client'
import type { ShownLine } from '../cart/queue'
import { useCart } from '../cart/store'
import { money, t, textsOf } from '../i18n'
import { checkoutEn } from '../messages/checkout.en'
import { type Form, usePlacing } from '../orders/use-placing'
import { useSession } from '../session/use'
import { Cover } from '../ui/books'
import { addressIn, AddressFields, AddressText } from '../ui/address'
import { Choice, Field, focusFirstError, textsIn, wrongFields } from '../ui/fields'
import { Heading, usePage } from '../ui/page'
import { Refused, type Rise, riseOf, Waiting } from './checkout-outcomes'

const c = textsOf(checkoutEn)
const CARDS = ['tok_ok', 'tok_declined', 'tok_flaky', 'tok_slow', 'tok_lost', 'other'] as const

export function CheckoutPage(): ReactNode {
  usePage(c('checkout.title'), null)
  const navigate = useNavigate()
  const session = useSession()
  const cart = useCart()
  const form = useRef<HTMLFormElement>(null)
  const [method, setMethod] = useState('standard')
  const methods = useQuery({ queryKey: ['shipping'], queryFn: () => call('get', '/v1/shipping-methods', {}) })
  const addresses = useQuery({
    queryKey: ['addresses', session?.user.id],
    queryFn: () => call('get', '/v1/users/me/addresses', { as: 'account' }),
    enabled: session !== null,
  })
  const placing = usePlacing((order) => void navigate({ to: '/orders/$id', params: { id: order.id }, replace: true }))
  const { problem } = placing
  const errors = wrongFields(problem)
  // The page that shows the order is here before the order is: a connection may be lost in between.
  useEffect(() => ahead(() => import('./order')), [])
  // Once for each refusal: whoever mends the second field first is left there.
  useEffect(() => {
    if (problem?.problem.errors?.length) focusFirstError(form.current)
  }, [problem])

  function send(expected?: Schemas['Money']): void {
    if (form.current) placing.send(filledIn(form.current, addresses.data?.items ?? []), expected)
  }

  function submit(event: FormEvent): void {
    event.preventDefault()
    if (!placing.busy) send(rise && total ? total : undefined)
  }

  const chosen = methods.data?.items.find((each) => each.id === method)
  // What was asked about last is what every sum shows, and what the button agrees to.
  const rise = riseOf(problem)
  const lines = cart.lines.map((line) => ({ ...line, total: totalNow(line, rise) }))
  const books = cart.total && { ...cart.total, amount: lines.reduce((sum, line) => sum + line.total.amount, 0) }
  const total = books && chosen ? { ...books, amount: books.amount + chosen.price.amount } : null
  const nothing = cart.lines.length === 0
  if (nothing && !placing.busy && !problem) {
    return (
      <div className="narrow">
        <Heading>{c('checkout.title')}</Heading>
        <p>{c('checkout.empty')}</p>
        <p>
          <Link to="/" className="button">
            {t('page.home')}
          </Link>
        </p>
      </div>
    )
  }
  return (
    <div className="checkout">
      <Heading>{c('checkout.title')}</Heading>
      <Waiting placing={placing} />
      {problem && <Refused problem={problem} agree={send} done={placing.forgetProblem} />}
      <form ref={form} onSubmit={submit} hidden={placing.finding} aria-busy={placing.busy}>
        <fieldset disabled={placing.busy} className="checkout__fields">
          <Contact error={errors.email} />
          <Destination addresses={addresses.data?.items ?? []} errors={errors} />
          <section>
            <h2>{c('checkout.shipping')}</h2>
            <div role="radiogroup" aria-label={c('checkout.shipping')} className="choices">
              {methods.data?.items.map((each) => (
                <label key={each.id} className="choice">
                  <input type="radio" name="shipping_method" value={each.id} checked={method === each.id} onChange={() => setMethod(each.id)} />
                  <span>
                    {each.name}
                    <span className="quiet"> {daysOf(each)}</span>
                  </span>
                  <span className="choice__price">{each.price.amount === 0 ? t('money.free') : money(each.price)}</span>
                </label>
              ))}
            </div>
          </section>
          <Payment error={errors.token} />
        </fieldset>
        <aside className="checkout__sum" aria-label={c('checkout.summary')}>
          <h2>{c('checkout.summary')}</h2>
          <ul>
            {lines.map((line) => (
              <li key={line.isbn}>
                <span className="mini">
                  <Cover isbn={line.isbn} title={line.title} silent />
                  <span>
                    {line.quantity} × {line.title}
                  </span>
                </span>
                <span>{money(line.total)}</span>
              </li>
            ))}
          </ul>
          <dl className="sums">
            <div>
              <dt>{c('checkout.books')}</dt>
              <dd>{books && money(books)}</dd>
            </div>
            <div>
              <dt>{c('checkout.shippingCost')}</dt>
              <dd>{chosen && money(chosen.price)}</dd>
            </div>
            <div className="sums__total">
              <dt>{c('checkout.total')}</dt>
              <dd>{total && money(total)}</dd>
            </div>
          </dl>
          <button type="submit" className="button button--wide" disabled={placing.busy || nothing || !chosen}>
            {placing.busy ? t('form.wait') : c('checkout.place', { total: total ? money(total) : '' })}
          </button>
        </aside>
      </form>
    </div>
  )
}

function filledIn(form: HTMLFormElement, saved: Schemas['AddressView'][]): Form {
  const texts = textsIn(form)
  const kept = saved.find((each) => each.id === texts.saved)
  const address = kept ? addressIn({ ...kept, line2: kept.line2 ?? '' }) : addressIn(texts)
  return {
    ...(texts.email ? { email: texts.email } : {}),
    shipping_address: address,
    shipping_method: texts.shipping_method ?? '',
    payment: { token: texts.card === 'other' ? (texts.token ?? '') : (texts.card ?? '') },
  }
}

/** A line at the price that was told last: the cart's own, or what it rose to. */
function totalNow(line: ShownLine, rise: Rise | null): Schemas['Money'] {
  const now = rise?.titles.find((each) => each.isbn === line.isbn)?.unit_price
  return now ? { ...now, amount: now.amount * line.quantity } : line.total
}

function daysOf({ days_min, days_max }: Schemas['ShippingMethodView']): string {
  return days_min === days_max ? c('checkout.days', { n: days_max }) : c('checkout.dayRange', { from: days_min, to: days_max })
}

function Contact({ error }: { error: string | undefined }): ReactNode {
  const session = useSession()
  return (
    <section>
      <h2>{c('checkout.contact')}</h2>
      {session ? (
        <p>{c('checkout.as', { name: session.user.name, email: session.user.email })}</p>
      ) : (
        <>
          <p className="quiet">
            {c('checkout.guest')}{' '}
            <Link to="/sign-in" search={{ to: '/checkout' }}>
              {c('checkout.signIn')}
            </Link>
          </p>
          <Field label={c('sign.email')} name="email" type="email" autoComplete="email" maxLength={254} error={error} />
        </>
      )}
    </section>
  )
}

function Destination({ addresses, errors }: { addresses: Schemas['AddressView'][]; errors: Record<string, string> }): ReactNode {
  const [picked, setPicked] = useState<string | null>(null)
  const chosen = picked ?? addresses[0]?.id ?? ''
  return (
    <section>
      <h2>{c('checkout.address')}</h2>
      {addresses.length > 0 && (
        <div role="radiogroup" aria-label={c('checkout.saved')} className="choices">
          {addresses.map((each) => (
            <label key={each.id} className="choice">
              <input type="radio" name="saved" value={each.id} checked={chosen === each.id} onChange={() => setPicked(each.id)} />
              <AddressText address={each} />
            </label>
          ))}
          <label className="choice">
            <input type="radio" name="saved" value="" checked={chosen === ''} onChange={() => setPicked('')} />
            <span>{c('checkout.newAddress')}</span>
          </label>
        </div>
      )}
      {chosen === '' && <AddressFields errors={errors} />}
    </section>
  )
}

function Payment({ error }: { error: string | undefined }): ReactNode {
  const [card, setCard] = useState<string>('tok_ok')
  return (
    <section>
      <h2>{c('checkout.payment')}</h2>
      <p className="quiet">{c('checkout.paymentLead')}</p>
      <Choice label={c('checkout.card')} name="card" value={card} onChange={(event) => setCard(event.target.value)} error={card === 'other' ? undefined : error}>
        {CARDS.map((each) => (
          <option key={each} value={each}>
            {c(`card.${each}`)}
          </option>
        ))}
      </Choice>
      {card === 'other' && <Field label={c('checkout.otherToken')} name="token" maxLength={255} autoComplete="off" error={error} />}
    </section>
  )
}
