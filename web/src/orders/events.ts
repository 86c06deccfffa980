/** An order's changes as they happen: server-sent events over fetch, because EventSource sends no credentials. */

import { type Credential, send } from '../api/client'
import { awaited, pauseMs } from '../api/commands'
import { ProblemError, worthAnotherTry } from '../api/problem'

export type Change = { order_id: string; rev: number; status: string; at: string; reason: string | null }
export type Sight = 'live' | 'reconnecting' | 'over'
type ServerEvent = { id: string | null; data: string }

const SILENCE_MS = 40_000 // comments come every 15 s: this much silence is a lost connection

/** The events in a stream's text, as the HTML standard reads them (9.2.6); `push` takes any cut of it. */
export class EventParser {
  private rest = ''
  private data: string[] = []
  private id: string | null = null

  push(text: string): ServerEvent[] {
    const events: ServerEvent[] = []
    const lines = (this.rest + text).split(/\r\n|\n|\r(?!$)/)
    this.rest = lines.pop() ?? ''
    for (const line of lines) {
      if (line === '') {
        if (this.data.length > 0) events.push({ id: this.id, data: this.data.join('\n') })
        this.data = []
      } else if (!line.startsWith(':')) this.field(line)
    }
    return events
  }

  private field(line: string): void {
    const colon = line.indexOf(':')
    const name = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (name === 'data') this.data.push(value)
    else if (name === 'id') this.id = value
  }
}

type Watching = {
  onChange: (change: Change) => void
  onSight: (sight: Sight) => void
  signal: AbortSignal
}

/** Follows an order until it is over or `signal` says stop. Resumes where the connection was lost. */
export async function watchOrder(id: string, as: Credential, watching: Watching): Promise<void> {
  const seen: { last: string | null } = { last: null }
  for (let attempt = 1; !watching.signal.aborted; attempt += 1) {
    try {
      const before = seen.last
      const end = await follow(id, as, seen, watching)
      if (end === 'over') {
        watching.onSight('over')
        return
      }
      if (seen.last !== before) {
        attempt = 1
        // The shop has said something and ended the stream itself: asked at once, it tells whether that was all.
        if (end === 'ended') continue
      }
    } catch (error) {
      if (watching.signal.aborted) return
      if (error instanceof ProblemError && !worthAnotherTry(error)) throw error
    }
    if (watching.signal.aborted) return
    watching.onSight('reconnecting')
    await awaited(pauseMs(Math.min(attempt, 4), undefined), watching.signal).catch(() => undefined)
  }
}

async function follow(
  id: string,
  as: Credential,
  seen: { last: string | null },
  { onChange, onSight, signal }: Watching,
): Promise<'over' | 'ended' | 'cut'> {
  const quiet = new AbortController()
  const cutOff = () => quiet.abort()
  let timer = setTimeout(cutOff, SILENCE_MS)
  // A stream without a connection stays open for as long as nobody notices; the browser does at once.
  window.addEventListener('offline', cutOff)
  const headers: Record<string, string> = { Accept: 'text/event-stream' }
  if (seen.last !== null) headers['Last-Event-ID'] = seen.last
  try {
    const url = `/v1/orders/${encodeURIComponent(id)}/events`
    const both = AbortSignal.any([signal, quiet.signal])
    const response = await send('get', url, { as, headers, signal: both, timeoutMs: 2 ** 31 - 1 })
    if (response.status === 204 || !response.body) return 'over'
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
    const parser = new EventParser()
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return 'ended'
      clearTimeout(timer)
      timer = setTimeout(cutOff, SILENCE_MS)
      for (const event of parser.push(value)) {
        seen.last = event.id ?? seen.last
        onChange(JSON.parse(event.data) as Change)
      }
      onSight('live') // not before the stream has spoken: until then there is nothing to resume at
    }
  } catch (error) {
    if (quiet.signal.aborted && !signal.aborted) return 'cut'
    if (error instanceof TypeError) return 'cut' // the connection broke
    throw error
  } finally {
    clearTimeout(timer)
    window.removeEventListener('offline', cutOff)
  }
}
