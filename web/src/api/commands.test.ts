import { describe, expect, test } from 'vitest'
import { newKey, type Operation, pauseMs, settle, type Trouble } from './commands'
import { NetworkError, ProblemError } from './problem'

const at_once = async () => undefined

function problem(status: number, code: string, retryAfterS?: number): ProblemError {
  return new ProblemError({ code, title: '', detail: '', status }, retryAfterS)
}

/** Answers one after the other; an error is thrown. */
function answers<T>(...list: (T | Error)[]): () => Promise<T> {
  return async () => {
    const next = list.shift()
    if (next === undefined) throw new Error('asked more often than expected')
    if (next instanceof Error) throw next
    return next
  }
}

const done: Operation<string> = { id: 'op', status: 'succeeded', result: 'cart' }
const pending: Operation<string> = { id: 'op', status: 'pending' }
const never = answers<Operation<string>>()

describe('a command', () => {
  test('is sent again for as long as nobody knows what became of it', async () => {
    const lost = new NetworkError(null)
    const send = answers<Operation<string>>(lost, problem(503, 'broker_unavailable'), problem(504, 'outcome_unknown'), done)
    const troubles: (Trouble | null)[] = []
    const onTrouble = (trouble: Trouble | null) => troubles.push(trouble)
    expect(await settle(send, never, { wait: at_once, onTrouble })).toBe('cart')
    expect(troubles.map((each) => each?.kind ?? null)).toEqual(['offline', 'unavailable', 'unavailable', null])
  })

  test('is asked for, not sent again, once it was accepted', async () => {
    const read = answers<Operation<string>>(pending, new NetworkError(null), done)
    expect(await settle(answers(pending), read, { wait: at_once })).toBe('cart')
  })

  test('ends with the rule that says no', async () => {
    const send = answers<Operation<string>>(problem(409, 'out_of_stock'))
    await expect(settle(send, never, { wait: at_once })).rejects.toMatchObject({ code: 'out_of_stock' })
  })

  test('ends with the problem of its operation', async () => {
    const refused = { id: 'op', status: 'rejected' as const, problem: { code: 'price_changed', status: 409 } }
    await expect(settle(answers(pending), answers(refused), { wait: at_once })).rejects.toMatchObject({
      code: 'price_changed',
    })
  })

  test('stops when the page is left', async () => {
    const leaving = new AbortController()
    leaving.abort()
    const send = answers<Operation<string>>(new NetworkError(null))
    await expect(settle(send, never, { signal: leaving.signal })).rejects.toBeInstanceOf(NetworkError)
  })
})

test('pauses grow, are asked for, and have an end', () => {
  const middle = () => 0.5
  expect([1, 2, 3].map((attempt) => pauseMs(attempt, undefined, middle))).toEqual([1000, 2000, 4000])
  expect(pauseMs(30, undefined, middle)).toBe(15_000)
  expect(pauseMs(1, 5)).toBe(5000)
  expect(pauseMs(1, 3600)).toBe(15_000)
})

test('keys are printable and never the same', () => {
  expect(newKey()).toMatch(/^[0-9a-f]{32}$/)
  expect(newKey()).not.toBe(newKey())
})
