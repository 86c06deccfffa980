import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, Outlet } from '@tanstack/react-router'
import { type FormEvent, type ReactNode, useRef, useState } from 'react'
import { call, type Schemas } from '../api/client'
import type { ProblemError } from '../api/problem'
import { day, money, reason, t, textsOf } from '../i18n'
import { checkoutEn } from '../messages/checkout.en'
import { currentSession, setSession } from '../session/store'
import { useSession, useSignedIn } from '../session/use'
import { addressIn, AddressFields, AddressText } from '../ui/address'
import { Field, focusFirstError, textsIn, wrongFields } from '../ui/fields'
import { Heading, usePage } from '../ui/page'

const c = textsOf(checkoutEn)

export function AccountFrame(): ReactNode {
  if (!useSignedIn()) return null
  return (
    <div className="account">
      <nav className="tabs" aria-label={c('account.title')}>
        <Link to="/account/orders">{c('account.orders')}</Link>
        <Link to="/account/addresses">{c('account.addresses')}</Link>
        <Link to="/account" activeOptions={{ exact: true }}>{c('account.profile')}</Link>
      </nav>
      <Outlet />
    </div>
  )
}

async function signOut(): Promise<void> {
  // Signed out here whatever the shop says; its session ends by itself at the latest.
  await call('delete', '/v1/sessions', { as: 'account' }).catch(() => undefined)
  setSession(null)
}

/** Sends a form, and says what is wrong with which field. */
function useForm(work: (form: HTMLFormElement) => Promise<void>) {
  const form = useRef<HTMLFormElement>(null)
  const [busy, setBusy] = useState(false)
  const [said, setSaid] = useState('')
  const [errors, setErrors] = useState<Record<string, string>>({})

  async function submit(event: FormEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault()
    const element = event.currentTarget
    setBusy(true)
    setSaid('')
    setErrors({})
    try {
      await work(element)
      setSaid(c('account.saved'))
    } catch (error) {
      setErrors(wrongFields(error))
      const key = `account.${(error as Partial<ProblemError>).code}`
      setSaid(key in checkoutEn ? c(key as keyof typeof checkoutEn) : reason(error))
      focusFirstError(form.current)
    } finally {
      setBusy(false)
    }
  }

  return { form, busy, said, errors, onSubmit: (event: FormEvent<HTMLFormElement>) => void submit(event) }
}

export function Profile(): ReactNode {
  usePage(c('account.title'), null)
  const session = useSession()
  const name = useForm(async (form) => {
    const user = await call('patch', '/v1/users/me', { as: 'account', body: { name: textsIn(form).name ?? '' } })
    const now = currentSession()
    if (now) setSession({ ...now, user })
  })
  const password = useForm(async (form) => {
    const data = new FormData(form)
    const body = { password: String(data.get('password')), current_password: String(data.get('current_password')) }
    await call('patch', '/v1/users/me', { as: 'account', body })
    form.reset()
  })
  if (!session) return null
  return (
    <>
      <Heading>{session.user.name}</Heading>
      <p className="quiet">{session.user.email}</p>
      <form ref={name.form} onSubmit={name.onSubmit} className="stack">
        <Field label={c('sign.name')} name="name" autoComplete="name" defaultValue={session.user.name} maxLength={100} error={name.errors.name} />
        <button type="submit" className="button button--quiet" disabled={name.busy}>{c('account.save')}</button>
        <p role="status">{name.said}</p>
      </form>
      <h2>{c('account.password')}</h2>
      <form ref={password.form} onSubmit={password.onSubmit} className="stack">
        <Field label={c('sign.currentPassword')} name="current_password" type="password" autoComplete="current-password" error={password.errors.current_password} />
        <Field label={c('sign.newPassword')} name="password" type="password" autoComplete="new-password" minLength={8} hint={c('sign.passwordHint')} error={password.errors.password} />
        <button type="submit" className="button button--quiet" disabled={password.busy}>{c('account.save')}</button>
        <p role="status">{password.said}</p>
      </form>
      <p>
        <button type="button" className="button button--quiet" onClick={() => void signOut()}>{c('sign.out')}</button>
      </p>
    </>
  )
}

export function Orders(): ReactNode {
  usePage(c('account.orders'), null)
  const session = useSession()
  const { data, hasNextPage, fetchNextPage } = useInfiniteQuery({
    queryKey: ['orders', session?.user.id],
    queryFn: ({ pageParam }) => call('get', '/v1/orders', { as: 'account', query: { cursor: pageParam } }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page: Schemas['OrderPage']) => page.next_cursor ?? undefined,
    enabled: session !== null,
    staleTime: 0,
  })
  const orders = data?.pages.flatMap((page) => page.items) ?? []
  return (
    <>
      <Heading>{c('account.orders')}</Heading>
      {data && orders.length === 0 && <p>{c('account.noOrders')}</p>}
      <ul className="rows">
        {orders.map((order) => (
          <li key={order.id}>
            <Link to="/orders/$id" params={{ id: order.id }}>
              {order.lines.map((line) => line.title).join(', ')}
            </Link>
            <span className="quiet">{day(order.placed_at)}</span>
            <span className="badge" data-state={order.status}>{c(`order.step.${order.status as 'placed'}`)}</span>
            <span>{money(order.total)}</span>
          </li>
        ))}
      </ul>
      {hasNextPage && (
        <button type="button" className="button button--quiet" onClick={() => void fetchNextPage()}>{c('account.more')}</button>
      )}
    </>
  )
}

export function Addresses(): ReactNode {
  usePage(c('account.addresses'), null)
  const session = useSession()
  const queries = useQueryClient()
  const [editing, setEditing] = useState<string | null>(null)
  const queryKey = ['addresses', session?.user.id]
  const { data } = useQuery({
    queryKey,
    queryFn: () => call('get', '/v1/users/me/addresses', { as: 'account' }),
    enabled: session !== null,
  })

  async function changed(): Promise<void> {
    setEditing(null)
    await queries.invalidateQueries({ queryKey })
  }

  async function remove(id: string): Promise<void> {
    await call('delete', '/v1/users/me/addresses/{address_id}', { as: 'account', path: { address_id: id } })
    await changed()
  }

  return (
    <>
      <Heading>{c('account.addresses')}</Heading>
      {data?.items.length === 0 && editing === null && <p>{c('account.noAddresses')}</p>}
      <ul className="rows rows--tall">
        {data?.items.map((each) => (
          <li key={each.id}>
            {editing === each.id ? (
              <AddressForm address={each} done={changed} leave={() => setEditing(null)} />
            ) : (
              <>
                <AddressText address={each} />
                <span>
                  <button type="button" className="link" aria-label={c('account.editOf', { name: each.name, city: each.city })} onClick={() => setEditing(each.id)}>{c('account.edit')}</button>{' '}
                  <button type="button" className="link" aria-label={c('account.deleteOf', { name: each.name, city: each.city })} onClick={() => void remove(each.id)}>{c('account.delete')}</button>
                </span>
              </>
            )}
          </li>
        ))}
      </ul>
      {editing === 'new' ? (
        <AddressForm done={changed} leave={() => setEditing(null)} />
      ) : (
        <button type="button" className="button button--quiet" onClick={() => setEditing('new')}>{c('account.addAddress')}</button>
      )}
    </>
  )
}

function AddressForm({ address, done, leave }: {
  address?: Schemas['AddressView']
  done: () => Promise<void>
  leave: () => void
}): ReactNode {
  const { form, busy, said, errors, onSubmit } = useForm(async (element) => {
    const body = addressIn(textsIn(element))
    if (address) {
      await call('put', '/v1/users/me/addresses/{address_id}', { as: 'account', path: { address_id: address.id }, body })
    } else await call('post', '/v1/users/me/addresses', { as: 'account', body })
    await done()
  })
  return (
    <form ref={form} onSubmit={onSubmit} className="stack">
      <AddressFields {...(address ? { address: { ...address, line2: address.line2 ?? '' } } : {})} errors={errors} />
      <p className="panel__row">
        <button type="submit" className="button" disabled={busy}>{busy ? t('form.wait') : c('account.save')}</button>
        <button type="button" className="link" onClick={leave}>{c('account.cancel')}</button>
      </p>
      <p role="status">{said}</p>
    </form>
  )
}
