import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { type FormEvent, type ReactNode, useState } from 'react'
import type { Book } from '../../api/catalog'
import { call, type Schemas } from '../../api/client'
import { keyed, newKey, readOperation, settle } from '../../api/commands'
import { ProblemError } from '../../api/problem'
import { number, reason, t, textsOf } from '../../i18n'
import { staffEn } from '../../messages/staff.en'
import { Field, textsIn } from '../../ui/fields'
import { Heading, usePage } from '../../ui/page'

const s = textsOf(staffEn)
const COUNT_MAX = 2 ** 31 - 1

export function StaffStock(): ReactNode {
  usePage(s('staff.stock'), null)
  const [q, setQ] = useState('')
  const [said, setSaid] = useState('')
  const { data } = useQuery({
    queryKey: ['staff stock', q],
    queryFn: () => call('get', '/v1/books', { query: { q, limit: 20, ...(q ? {} : { sort: 'title' as const }) } }),
  })

  function submit(event: FormEvent<HTMLFormElement>): void {
    event.preventDefault()
    setQ(textsIn(event.currentTarget).title ?? '')
  }

  return (
    <>
      <Heading>{s('staff.stock')}</Heading>
      <form className="inline" onSubmit={submit}>
        <Field label={s('stock.search')} name="title" type="search" optional placeholder={t('search.placeholder')} />
        <button type="submit" className="button button--quiet">{t('search.submit')}</button>
      </form>
      <p role="status">{said || '\u00a0'}</p>
      <div className="wide" role="region" aria-label={s('staff.stock')} tabIndex={0}>
        <table>
          <thead>
            <tr>
              <th scope="col">{s('stock.book')}</th>
              <th scope="col">{s('stock.reserved')}</th>
              <th scope="col">{s('stock.available')}</th>
              <th scope="col">{s('stock.onHand')}</th>
            </tr>
          </thead>
          <tbody>
            {data?.items.map((book) => (
              <Row key={book.isbn} book={book} say={setSaid} />
            ))}
          </tbody>
        </table>
      </div>
    </>
  )
}

function Row({ book, say }: { book: Book; say: (text: string) => void }): ReactNode {
  const queries = useQueryClient()
  const [busy, setBusy] = useState(false)
  const queryKey = ['staff stock of', book.isbn]
  const path = { isbn: book.isbn }
  const { data: stock } = useQuery({
    queryKey,
    queryFn: () => call('get', '/v1/books/{isbn}/stock', { as: 'account', path }),
  })

  async function set(onHand: number): Promise<void> {
    setBusy(true)
    const options = { as: 'account' as const, path, headers: keyed(newKey()), body: { on_hand: onHand } }
    try {
      const send = () => call('put', '/v1/books/{isbn}/stock', options)
      queries.setQueryData(queryKey, await settle<Schemas['StockView']>(send, readOperation('account')))
      say(s('stock.saved', { title: book.title, n: onHand }))
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error
      const key = error.code === 'stock_reserved' ? 'stock.reservedNo' : 'staff.refused'
      say(s(key, { title: book.title, reason: reason(error) }))
      await queries.invalidateQueries({ queryKey })
    }
    setBusy(false)
  }

  function submit(event: FormEvent<HTMLFormElement>): void {
    event.preventDefault()
    const onHand = Number(textsIn(event.currentTarget).on_hand)
    if (Number.isInteger(onHand) && onHand >= 0 && onHand <= COUNT_MAX) void set(onHand)
  }

  return (
    <tr>
      <th scope="row">
        <Link to="/books/$isbn" params={path}>{book.title}</Link>
      </th>
      <td>{stock && number(stock.reserved)}</td>
      <td>{stock && number(stock.available)}</td>
      <td>
        {stock && (
          <form className="inline inline--tight" onSubmit={submit} key={stock.on_hand}>
            <input name="on_hand" inputMode="numeric" size={5} required aria-label={s('stock.copiesOf', { title: book.title })} defaultValue={stock.on_hand} />
            <button type="submit" className="button button--quiet" disabled={busy} aria-label={s('stock.setOf', { title: book.title })}>{s('stock.set')}</button>
          </form>
        )}
      </td>
    </tr>
  )
}
