import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { type ReactNode, useEffect, useState } from 'react'
import { call, type Schemas } from '../api/client'
import { keyed, newKey, readOperation, settle } from '../api/commands'
import { ProblemError } from '../api/problem'
import { dateAndTime, money, reason, textsOf } from '../i18n'
import { checkoutEn } from '../messages/checkout.en'
import { type Change, type Sight, watchOrder } from '../orders/events'
import { type Order, orderCredential } from '../orders/placing'
import { useSession } from '../session/use'
import { AddressText } from '../ui/address'
import { Cover } from '../ui/books'
import { Failed, Heading, Status, usePage } from '../ui/page'
import { Missing } from '../ui/missing'

const c = textsOf(checkoutEn)
const WAY = ['placed', 'confirmed', 'shipped', 'delivered'] as const
const STATES = [...WAY, 'cancelled', 'refunded'] as const
type State = (typeof STATES)[number]

const orderQuery = (id: string) => ({
  queryKey: ['order', id],
  queryFn: () => call('get', '/v1/orders/{order_id}', { path: { order_id: id }, as: orderCredential(id) }),
})

export function OrderPage(): ReactNode {
  const { id } = useParams({ from: '/orders/$id' })
  usePage(c('order.number', { id }), null)
  const session = useSession()
  const { data: order, error, refetch } = useQuery(orderQuery(id))
  const { sight, changes } = useWatched(id, order !== undefined, session?.user.id)
  if (error instanceof ProblemError && error.problem.status < 500 && !order) return <Closed />
  if (error && !order) return <Failed again={() => void refetch()} />
  if (!order) return <div className="order order--waiting" />
  const history = changes.length > order.history.length ? changes : order.history
  const state = (history.at(-1)?.status ?? order.status) as State
  return (
    <div className="order">
      <header className="order__head">
        <p className="quiet">{c('order.number', { id: order.id })}</p>
        <Heading>{c(`order.${state}`)}</Heading>
        <p className="order__lead">{lead(order, state, history.at(-1)?.reason ?? null)}</p>
        <Status>{c(`order.${state}`)}</Status>
      </header>
      <Timeline history={history} state={state} sight={sight} />
      <Lines order={order} />
      <section className="order__to">
        <h2>{c('order.to')}</h2>
        <AddressText address={order.shipping_address} />
        <p className="quiet">{c('order.mail', { email: order.email })}</p>
        <Cancel order={order} state={state} />
      </section>
    </div>
  )
}

/** Follows the order while the page is open; each change reads the order again. */
function useWatched(id: string, known: boolean, userId: string | undefined): { sight: Sight; changes: Change[] } {
  const queries = useQueryClient()
  const [sight, setSight] = useState<Sight>('reconnecting')
  const [changes, setChanges] = useState<Change[]>([])
  useEffect(() => {
    if (!known) return
    const leaving = new AbortController()
    setChanges([])
    const watching = {
      onSight: setSight,
      onChange: (change: Change) => {
        setChanges((before) => (before.some((each) => each.rev === change.rev) ? before : [...before, change]))
        void queries.invalidateQueries({ queryKey: ['order', id] })
      },
      signal: leaving.signal,
    }
    watchOrder(id, orderCredential(id), watching).catch((error: unknown) => {
      // The order stays readable without its stream; what it said last is shown.
      if (error instanceof ProblemError) setSight('reconnecting')
      else throw error
    })
    return () => leaving.abort()
  }, [id, known, userId, queries])
  return { sight, changes }
}

function lead(order: Order, state: State, why: string | null): string {
  if (order.refund_pending) return c('order.refundPending')
  if (state === 'shipped' && order.carrier) {
    return c('order.shippedLead', { carrier: order.carrier, number: order.tracking_number ?? '' })
  }
  if (state === 'shipped') return ''
  if (state === 'cancelled' && why && /declin|token|card/.test(why)) return c('order.declinedLead')
  return c(`order.${state}Lead`)
}

type Step = { name: string; at: string | null; reason: string | null; now: boolean }

/** What has happened, and what is still to come on the usual way. */
export function stepsOf(history: Pick<Change, 'status' | 'at' | 'reason'>[], state: State): Step[] {
  const past = history.map(({ status, at, reason: why }, index) => ({
    name: STATES.includes(status as State) ? c(`order.step.${status as State}`) : status,
    at,
    reason: why,
    now: index === history.length - 1,
  }))
  const place = WAY.indexOf(state as (typeof WAY)[number])
  const future = place < 0 ? [] : WAY.slice(place + 1)
  return [...past, ...future.map((name) => ({ name: c(`order.step.${name}`), at: null, reason: null, now: false }))]
}

function Timeline({ history, state, sight }: { history: Pick<Change, 'status' | 'at' | 'reason'>[]; state: State; sight: Sight }): ReactNode {
  return (
    <section className="way" aria-labelledby="way">
      <div className="way__head">
        <h2 id="way">{c('order.timeline')}</h2>
        <span className="way__sight" data-sight={sight}>
          {c(`order.${sight}`)}
        </span>
      </div>
      <ol>
        {stepsOf(history, state).map((step) => (
          <li key={step.name} data-done={step.at !== null} data-now={step.now} aria-current={step.now ? 'step' : undefined}>
            <strong>{step.name}</strong>
            <span className="quiet">
              {step.at ? <time dateTime={step.at}>{dateAndTime(step.at)}</time> : c('order.later')}
            </span>
          </li>
        ))}
      </ol>
    </section>
  )
}

function Lines({ order }: { order: Order }): ReactNode {
  const sums: [string, Schemas['Money']][] = [
    [c('order.subtotal'), order.subtotal],
    [c('order.shipping'), order.shipping],
    [c('order.total'), order.total],
    [c('order.tax'), order.tax],
  ]
  return (
    <section className="order__lines">
      <h2>{c('order.lines')}</h2>
      <ul>
        {order.lines.map((line) => (
          <li key={line.isbn}>
            <span className="mini">
              <Cover isbn={line.isbn} title={line.title} silent />
              <span>
                <Link to="/books/$isbn" params={{ isbn: line.isbn }}>
                  {line.title}
                </Link>
                <span className="quiet"> {c('order.copies', { n: line.quantity, price: money(line.unit_price) })}</span>
              </span>
            </span>
            <span>{money(line.total)}</span>
          </li>
        ))}
      </ul>
      <dl className="sums">
        {sums.map(([name, amount], index) => (
          <div key={name} className={index === 2 ? 'sums__total' : undefined}>
            <dt>{name}</dt>
            <dd>{money(amount)}</dd>
          </div>
        ))}
      </dl>
    </section>
  )
}

function Cancel({ order, state }: { order: Order; state: State }): ReactNode {
  const queries = useQueryClient()
  const [asked, setAsked] = useState(false)
  const [busy, setBusy] = useState(false)
  const [refusal, setRefusal] = useState<string | null>(null)
  const [key] = useState(newKey)
  if (!['placed', 'confirmed', 'shipped'].includes(state) || order.refund_pending) return null

  async function cancel(): Promise<void> {
    setBusy(true)
    const as = orderCredential(order.id)
    try {
      const options = { path: { order_id: order.id }, as, headers: keyed(key), body: null }
      await settle<Order>(() => call('post', '/v1/orders/{order_id}/cancel', options), readOperation<Order>(as))
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error
      setRefusal(c('order.cancelRefused', { reason: reason(error) }))
    }
    setBusy(false)
    setAsked(false)
    await queries.invalidateQueries({ queryKey: ['order', order.id] })
  }

  return (
    <div className="cancel" role="group">
      {!asked && (
        <button type="button" className="link" onClick={() => setAsked(true)}>
          {c('order.cancel')}
        </button>
      )}
      {asked && (
        <p>
          {c('order.cancelSure')}{' '}
          <button type="button" className="button button--quiet" disabled={busy} onClick={() => void cancel()}>
            {c('order.cancelYes')}
          </button>{' '}
          <button type="button" className="link" disabled={busy} onClick={() => setAsked(false)}>
            {c('order.cancelNo')}
          </button>
        </p>
      )}
      <p role="alert">{refusal}</p>
    </div>
  )
}

function Closed(): ReactNode {
  return (
    <Missing title={c('order.unknown')} lead={c('order.unknownLead')}>
      <Link to="/sign-in" search={{}} className="button">
        {c('sign.in')}
      </Link>
    </Missing>
  )
}
