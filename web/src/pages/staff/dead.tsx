import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { type ReactNode, useState } from 'react'
import { call, type Schemas } from '../../api/client'
import { ProblemError } from '../../api/problem'
import { dateAndTime, reason, textsOf } from '../../i18n'
import { staffEn } from '../../messages/staff.en'
import { Failed, Heading, usePage } from '../../ui/page'
import { Missing } from '../../ui/missing'

const s = textsOf(staffEn)
const STANDINGS = ['ready', 'settled', 'superseded', 'expired', 'cut'] as const
type Standing = (typeof STANDINGS)[number]

function standing(name: string): string {
  return STANDINGS.includes(name as Standing) ? s(`dead.standing.${name as Standing}`) : name
}

/** Sends letters round again, and says what became of them. */
function useReplay(): { busy: boolean; said: string; replay: (selection: Partial<Schemas['ReplayInput']>) => void } {
  const queries = useQueryClient()
  const [busy, setBusy] = useState(false)
  const [said, setSaid] = useState('')

  async function run(selection: Partial<Schemas['ReplayInput']>): Promise<void> {
    setBusy(true)
    setSaid('')
    try {
      const body = { dry_run: false, force: false, ...selection }
      const done = await call('post', '/v1/admin/dead/replay', { as: 'account', body })
      const left = done.matched - done.done
      const why = Object.entries(done.standings)
        .filter(([name]) => name !== 'ready')
        .map(([name]) => standing(name))
        .join(', ')
      const told = [s('dead.done', { n: done.done })]
      if (done.stopped) told.push(s('dead.stopped', { why: done.stopped }))
      else if (left > 0) told.push(s('dead.left', { n: left, standings: why }))
      setSaid(told.join(' '))
    } catch (error) {
      setSaid(s('staff.refused', { reason: reason(error) }))
    }
    await queries.invalidateQueries({ queryKey: ['dead'] }) // what was replayed is no more what the list has seen
    setBusy(false)
  }

  return { busy, said, replay: (selection) => void run(selection) }
}

export function StaffDead(): ReactNode {
  usePage(s('staff.dead'), null)
  const { data, error, refetch } = useQuery({
    queryKey: ['dead'],
    queryFn: () => call('get', '/v1/admin/dead', { as: 'account', query: {} }),
    refetchInterval: 10_000,
  })
  const { busy, said, replay } = useReplay()
  if (error && !data) return <Failed again={() => void refetch()} />
  return (
    <>
      <Heading>{s('staff.dead')}</Heading>
      <p className="quiet">{s('dead.lead')}</p>
      <p role="status">{said}</p>
      {data?.causes.length === 0 && <p>{s('dead.none')}</p>}
      {data && data.truncated.length > 0 && <p>{s('dead.truncated', { groups: data.truncated.join(', ') })}</p>}
      <ul className="letters">
        {data?.causes.map((cause) => (
          <li key={cause.id}>
            <h2>
              {cause.type} <span className="quiet">{cause.group}</span>
            </h2>
            <p>
              {cause.reason}: <code>{cause.error}</code>
            </p>
            <p className="quiet">
              {s('dead.count', { n: cause.count })}
              {cause.oldest && cause.newest && `, ${s('dead.from', { oldest: dateAndTime(cause.oldest), newest: dateAndTime(cause.newest) })}`}
            </p>
            <p className="panel__row">
              <button
                type="button"
                className="button button--quiet"
                disabled={busy}
                aria-label={s('dead.replayAllOf', { n: cause.count, type: cause.type, group: cause.group })}
                onClick={() => replay({ cause: cause.id, group: cause.group, seen: data.seen })}
              >
                {s('dead.replayAll')}
              </button>
              <Link to="/staff/dead/$id" params={{ id: cause.example }} aria-label={s('dead.lookAt', { id: cause.example })}>
                {s('dead.look')}
              </Link>
              <Console address={cause.console} group={cause.group} />
            </p>
          </li>
        ))}
      </ul>
    </>
  )
}

export function StaffLetter(): ReactNode {
  const { id } = useParams({ from: '/staff/dead/$id' })
  usePage(s('dead.letter'), null)
  const { data, error, refetch } = useQuery({
    queryKey: ['dead', id],
    queryFn: () => call('get', '/v1/admin/dead/{name}', { as: 'account', path: { name: id } }),
  })
  const { busy, said, replay } = useReplay()
  if (error instanceof ProblemError && error.problem.status === 404) {
    return (
      <>
        <p role="status">{said}</p>
        <Missing title={s('dead.gone')} lead={s('dead.goneLead')}>
          <Link to="/staff/dead" className="button">{s('dead.back')}</Link>
        </Missing>
      </>
    )
  }
  if (error) return <Failed again={() => void refetch()} />
  return (
    <>
      <Heading>{s('dead.letter')}</Heading>
      <p role="status">{said}</p>
      {data?.items.map((letter) => (
        <Letter key={letter.id} letter={letter} busy={busy} replay={() => replay({ id: letter.id })} />
      ))}
    </>
  )
}

function Letter({ letter, busy, replay }: {
  letter: Schemas['FullLetterView']
  busy: boolean
  replay: () => void
}): ReactNode {
  const facts: [string, ReactNode][] = [
    [s('dead.type'), letter.type],
    [s('dead.group'), letter.group],
    [s('dead.actor'), letter.actor],
    [s('dead.origin'), letter.origin],
    [s('dead.reason'), letter.reason],
    [s('dead.error'), <code key="error">{letter.error}</code>],
    [s('dead.attempts'), letter.attempts],
    [s('dead.first'), letter.first_failed_at && dateAndTime(letter.first_failed_at)],
    [s('dead.last'), letter.last_failed_at && dateAndTime(letter.last_failed_at)],
    [s('dead.standing'), standing(letter.standing)],
  ]
  return (
    <article className="letter">
      <dl className="facts">
        {facts.map(([name, value]) => value !== '' && value !== null && (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {letter.story.length > 0 && (
        <>
          <h2>{s('dead.story')}</h2>
          <ol className="story">{letter.story.map((line) => <li key={line}><code>{line}</code></li>)}</ol>
        </>
      )}
      <h2>{s('dead.body')}</h2>
      <pre tabIndex={0}>{JSON.stringify(letter.body, null, 2)}</pre>
      <details>
        <summary>{s('dead.headers')}</summary>
        <pre tabIndex={0}>{JSON.stringify(letter.headers, null, 2)}</pre>
      </details>
      <p className="panel__row">
        <button type="button" className="button" disabled={busy || letter.standing === 'cut'} onClick={replay}>{s('dead.replay')}</button>
        <Link to="/staff/dead">{s('dead.back')}</Link>
        <Console address={letter.console} group={letter.group} />
      </p>
    </article>
  )
}

/** The way to the queue in RabbitMQ's management console, where there is one. */
function Console({ address, group }: { address: string | null; group: string }): ReactNode {
  if (!address) return null
  return (
    <a href={address} target="_blank" rel="noreferrer" aria-label={s('dead.consoleOf', { group })}>
      {s('dead.console')}
    </a>
  )
}
