import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { type FormEvent, type ReactNode, useState } from 'react'
import { call, type Schemas } from '../../api/client'
import { keyed, newKey, type Operation, readOperation, settle } from '../../api/commands'
import { ProblemError } from '../../api/problem'
import { dateAndTime, money, reason, textsOf } from '../../i18n'
import { checkoutEn } from '../../messages/checkout.en'
import { staffEn } from '../../messages/staff.en'
import { Choice, Field, textsIn } from '../../ui/fields'
import { Missing } from '../../ui/missing'
import { Failed, Heading, usePage } from '../../ui/page'
import { ordersSearch, STATUSES, type Status } from './search'

const s = textsOf(staffEn)
const c = textsOf(checkoutEn)

export function StaffOrders(): ReactNode {
  usePage(s('staff.orders'), null)
  const search = useSearch({ from: '/staff/orders' })
  const navigate = useNavigate()
  const { data, hasNextPage, fetchNextPage } = useInfiniteQuery({
    queryKey: ['staff orders', search],
    queryFn: ({ pageParam }) => call('get', '/v1/admin/orders', { as: 'account', query: { ...search, cursor: pageParam } }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page: Schemas['OrderPage']) => page.next_cursor ?? undefined,
    refetchInterval: 5000,
  })
  const orders = data?.pages.flatMap((page) => page.items) ?? []

  function submit(event: FormEvent<HTMLFormElement>): void {
    event.preventDefault()
    void navigate({ to: '/staff/orders', search: ordersSearch(textsIn(event.currentTarget)) })
  }

  return (
    <>
      <Heading>{s('staff.orders')}</Heading>
      <form className="inline" onSubmit={submit} key={`${search.status} ${search.email}`}>
        <Choice label={s('orders.status')} name="status" defaultValue={search.status ?? ''} optional>
          <option value="">{s('orders.all')}</option>
          {STATUSES.map((status) => (
            <option key={status} value={status}>{c(`order.step.${status}`)}</option>
          ))}
        </Choice>
        <Field label={s('orders.email')} name="email" defaultValue={search.email ?? ''} optional />
        <button type="submit" className="button button--quiet">{s('orders.show')}</button>
      </form>
      {data && orders.length === 0 && <p>{s('orders.none')}</p>}
      <ul className="rows">
        {orders.map((order) => (
          <li key={order.id}>
            <Link to="/staff/orders/$id" params={{ id: order.id }}>{order.email}</Link>
            <span className="quiet">{dateAndTime(order.placed_at)}</span>
            <span className="badge" data-state={order.status}>{c(`order.step.${order.status as Status}`)}</span>
            <span>{money(order.total)}</span>
          </li>
        ))}
      </ul>
      {hasNextPage && (
        <button type="button" className="button button--quiet" onClick={() => void fetchNextPage()}>{s('orders.older')}</button>
      )}
    </>
  )
}

export function StaffOrder(): ReactNode {
  const { id } = useParams({ from: '/staff/orders/$id' })
  usePage(c('order.number', { id }), null)
  const queries = useQueryClient()
  const [said, setSaid] = useState('')
  const [busy, setBusy] = useState(false)
  const queryKey = ['staff order', id]
  const { data: order, error, refetch } = useQuery({
    queryKey,
    queryFn: () => call('get', '/v1/orders/{order_id}', { as: 'account', path: { order_id: id } }),
    refetchInterval: 3000,
  })

  async function command(send: () => Promise<Operation<unknown>>): Promise<void> {
    setBusy(true)
    setSaid('')
    try {
      await settle(send, readOperation('account'))
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error
      setSaid(s('staff.refused', { reason: reason(error) }))
    }
    setBusy(false)
    await queries.invalidateQueries({ queryKey })
  }

  function dispatch(event: FormEvent<HTMLFormElement>): void {
    event.preventDefault()
    const { carrier = '', tracking_number = '' } = textsIn(event.currentTarget)
    const options = { as: 'account' as const, path: { order_id: id }, headers: keyed(newKey()), body: { carrier, tracking_number } }
    void command(() => call('post', '/v1/orders/{order_id}/shipments', options))
  }

  function deliver(): void {
    const body = { status: 'delivered' as const }
    const options = { as: 'account' as const, path: { shipment_id: id }, headers: keyed(newKey()), body }
    void command(() => call('post', '/v1/shipments/{shipment_id}/events', options))
  }

  if (error instanceof ProblemError && error.problem.status === 404) return <Missing title={s('orders.unknown')} />
  if (error && !order) return <Failed again={() => void refetch()} />
  if (!order) return null
  return (
    <>
      <p className="quiet">{c('order.number', { id })}</p>
      <Heading>{c(`order.step.${order.status as Status}`)}</Heading>
      <p>{order.email} · {money(order.total)}</p>
      <ul className="rows rows--tall">
        {order.history.map((change) => (
          <li key={change.rev}>
            <span>{c(`order.step.${change.status as Status}`)} <span className="quiet">{change.reason}</span></span>
            <time dateTime={change.at}>{dateAndTime(change.at)}</time>
          </li>
        ))}
      </ul>
      <ul className="rows rows--tall">
        {order.lines.map((line) => (
          <li key={line.isbn}>
            <span>{line.quantity} × {line.title}</span>
            <span>{money(line.total)}</span>
          </li>
        ))}
      </ul>
      {order.status === 'confirmed' && (
        <form className="stack" onSubmit={dispatch}>
          <h2>{s('orders.dispatch')}</h2>
          <Field label={s('orders.carrier')} name="carrier" maxLength={200} />
          <Field label={s('orders.tracking')} name="tracking_number" maxLength={64} />
          <button type="submit" className="button" disabled={busy}>{s('orders.send')}</button>
        </form>
      )}
      {order.status === 'shipped' && (
        <p>
          <button type="button" className="button" disabled={busy} onClick={deliver}>{s('orders.delivered')}</button>
        </p>
      )}
      <p role="alert">{said}</p>
      <p>
        <Link to="/orders/$id" params={{ id }}>{s('orders.page')}</Link>
      </p>
    </>
  )
}
