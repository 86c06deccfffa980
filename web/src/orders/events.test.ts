import { afterEach, expect, test, vi } from 'vitest'
import { EventParser, type Sight, watchOrder } from './events'

const TEXT = ': awake\n\nid: 1\ndata: {"status": "placed"}\n\nid: 2\r\ndata: one\r\ndata:two\r\n\r\n'

test('events are read however the connection cuts them', () => {
  for (let size = 1; size <= TEXT.length; size += 1) {
    const parser = new EventParser()
    const events = []
    for (let at = 0; at < TEXT.length; at += size) events.push(...parser.push(TEXT.slice(at, at + size)))
    expect(events, `in pieces of ${size}`).toEqual([
      { id: '1', data: '{"status": "placed"}' },
      { id: '2', data: 'one\ntwo' },
    ])
  }
})

test('an event that is not whole is none yet', () => {
  const parser = new EventParser()
  expect(parser.push('id: 1\ndata: half')).toEqual([])
  expect(parser.push('\n\n')).toEqual([{ id: '1', data: 'half' }])
})

afterEach(() => vi.unstubAllGlobals())

test('an order is live once its stream has spoken, and from then on resumes where it was', async () => {
  const asked: (string | null)[] = []
  const streams: ReadableStreamDefaultController<Uint8Array>[] = []
  vi.stubGlobal('fetch', async (url: string, { headers, signal }: RequestInit) => {
    expect(url).toContain('/v1/orders/o1/events')
    asked.push(new Headers(headers).get('Last-Event-ID'))
    const start = (stream: ReadableStreamDefaultController<Uint8Array>) => {
      streams.push(stream)
      signal?.addEventListener('abort', () => stream.error(signal.reason))
    }
    return new Response(new ReadableStream({ start }))
  })
  const sights: Sight[] = []
  const revs: number[] = []
  const leaving = new AbortController()
  const watching = {
    onSight: (sight: Sight) => void sights.push(sight),
    onChange: ({ rev }: { rev: number }) => void revs.push(rev),
    signal: leaving.signal,
  }
  const watched = watchOrder('o1', {}, watching)
  await vi.waitFor(() => expect(streams.length).toBe(1))
  expect(sights).toEqual([])
  streams[0]?.enqueue(new TextEncoder().encode('id: 7\ndata: {"rev": 7}\n\n'))
  await vi.waitFor(() => expect(sights).toEqual(['live']))
  expect(revs).toEqual([7])
  window.dispatchEvent(new Event('offline'))
  await vi.waitFor(() => expect(sights).toEqual(['live', 'reconnecting']))
  await vi.waitFor(() => expect(asked).toEqual([null, '7']), { timeout: 10_000 })
  leaving.abort()
  await watched
})
