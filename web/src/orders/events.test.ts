import { expect, test } from 'vitest'
import { EventParser } from './events'

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
