import { useQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { type FormEvent, type ReactNode, useState } from 'react'
import { call, type Schemas, send, urlOf } from '../../api/client'
import { insist, newKey } from '../../api/commands'
import { number, reason, textsOf } from '../../i18n'
import { staffEn } from '../../messages/staff.en'
import { Field, textsIn, wrongFields } from '../../ui/fields'
import { Heading, usePage } from '../../ui/page'

const s = textsOf(staffEn)
const ASK_AGAIN_MS = 600
const UPLOAD_MS = 10 * 60_000
const COUNTS = ['added', 'changed', 'unchanged', 'rejected', 'failed'] as const
type View = Schemas['ImportView']

export function StaffImport(): ReactNode {
  usePage(s('staff.import'), null)
  // In the address, so that an import that takes long is found again.
  const { id } = useSearch({ from: '/staff/import' })
  const navigate = useNavigate()
  const [sending, setSending] = useState(false)
  const [problem, setProblem] = useState('')
  const [errors, setErrors] = useState<Record<string, string>>({})

  async function start(file: File, texts: Record<string, string>): Promise<void> {
    setSending(true)
    setProblem('')
    setErrors({})
    await navigate({ to: '/staff/import', search: {} })
    const query = { filename: file.name, price: texts.price, stock: texts.stock }
    const headers = { 'Idempotency-Key': newKey(), 'Content-Type': 'application/octet-stream' }
    try {
      // The same key each time: a file that arrived is not imported twice.
      const response = await insist(() =>
        send('post', urlOf('/v1/imports', {}, query), { as: 'account', headers, body: file, timeoutMs: UPLOAD_MS }),
      )
      await navigate({ to: '/staff/import', search: { id: ((await response.json()) as View).id }, replace: true })
    } catch (error) {
      setProblem(s('staff.refused', { reason: reason(error) }))
      setErrors(wrongFields(error))
    }
    setSending(false)
  }

  function submit(event: FormEvent<HTMLFormElement>): void {
    event.preventDefault()
    const file = new FormData(event.currentTarget).get('file')
    if (!(file instanceof File)) return
    if (file.size > 0) void start(file, textsIn(event.currentTarget))
    else setProblem(s('import.empty', { name: file.name }))
  }

  return (
    <>
      <Heading>{s('staff.import')}</Heading>
      <p className="quiet">{s('import.lead')}</p>
      <form className="stack" onSubmit={submit}>
        <Field label={s('import.file')} name="file" type="file" accept=".csv,.jsonl,.ndjson,.tsv,text/csv" />
        <div className="field-row field-row--even">
          <Field label={s('import.price')} name="price" inputMode="decimal" placeholder="12.99" error={errors.price} optional />
          <Field label={s('import.stock')} name="stock" inputMode="numeric" placeholder="20" error={errors.stock} optional />
        </div>
        <button type="submit" className="button" disabled={sending}>{sending ? s('import.sending') : s('import.start')}</button>
      </form>
      <p role="alert" className={problem ? 'panel panel--no' : 'unseen'}>{problem}</p>
      {id && <Progress key={id} id={id} />}
    </>
  )
}

function Progress({ id }: { id: string }): ReactNode {
  const read = (details: boolean) => () =>
    call('get', '/v1/imports/{import_id}', { as: 'account', path: { import_id: id }, query: { details } })
  const { data, error } = useQuery({
    queryKey: ['import', id],
    queryFn: read(false),
    refetchInterval: ({ state }) => (state.data?.status === 'finished' ? false : ASK_AGAIN_MS),
  })
  const finished = data?.status === 'finished'
  const report = useQuery({ queryKey: ['import report', id], queryFn: read(true), enabled: finished })
  if (error && !data) return <p role="alert" className="panel panel--no">{s('staff.refused', { reason: reason(error) })}</p>
  if (!data) return null
  const text = finished ? s('import.finished', { n: data.rows }) : s('import.running', { done: data.done, rows: data.rows })
  return (
    <section className="progress" aria-label={data.filename}>
      <h2>{data.filename}</h2>
      <progress max={Math.max(1, data.rows)} value={finished ? Math.max(1, data.rows) : data.done} aria-label={s('staff.import')} />
      <p role="status">{text}</p>
      <dl className="counts">
        {COUNTS.map((name) => (
          <div key={name}>
            <dt>{s(`import.${name}`)}</dt>
            <dd>{number(data[name])}</dd>
          </div>
        ))}
        <div>
          <dt>{s('import.skipped')}</dt>
          <dd>{number(data.skipped_count)}</dd>
        </div>
      </dl>
      {report.data && <Report view={report.data} />}
    </section>
  )
}

function Report({ view }: { view: View }): ReactNode {
  if (view.skipped.length + view.problems.length === 0) return null
  return (
    <>
      <h3>{s('import.report')}</h3>
      <ul className="rows rows--tall">
        {view.skipped.map((each) => (
          <li key={`${each.line} ${each.reason}`}>
            <span>{s('import.line', { n: each.line, reason: each.reason })}</span>
            <code>{each.text}</code>
          </li>
        ))}
        {view.problems.map((each) => (
          <li key={each.isbn}>{s('import.row', { isbn: each.isbn, detail: each.detail })}</li>
        ))}
      </ul>
    </>
  )
}
