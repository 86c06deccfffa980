import { beforeEach, expect, test } from 'vitest'
import type { Operation } from '../api/commands'
import { NetworkError, ProblemError } from '../api/problem'
import { type NewOrder, type Note, note, type Order, orderToken, pendingOrder, place, type Sender } from './placing'

const BODY = { cart_id: 'c', email: 'ada@example.test' } as NewOrder
const AS = { 'Cart-Token': 'token' }
const PLACED = { id: 'op', status: 'succeeded', result: { id: 'order', token: 'opens it' } } as unknown as Operation<Order>
const wait = async () => undefined

/** A shop that remembers orders by their key, as the real one does, and whose answers may get lost. */
class FakeShop implements Sender {
  keys: string[] = []
  orders = new Map<string, Operation<Order>>()
  trouble: Error[]

  constructor(...trouble: Error[]) {
    this.trouble = trouble
  }

  async place({ key }: Note): Promise<Operation<Order>> {
    this.keys.push(key)
    this.orders.set(key, PLACED)
    const lost = this.trouble.shift()
    if (lost) throw lost
    return PLACED
  }

  async read(): Promise<Operation<Order>> {
    return PLACED
  }
}

function refusal(status: number, code: string): ProblemError {
  return new ProblemError({ code, title: '', detail: '', status })
}

beforeEach(() => localStorage.clear())

test('the link in a mail opens its order, and the token leaves the address', () => {
  history.replaceState(null, '', '/orders/mine#token=opens-it')
  expect(orderToken('another')).toBeUndefined()
  expect(orderToken('mine')).toBe('opens-it')
  expect(location.hash).toBe('')
  expect(orderToken('mine')).toBe('opens-it')
})

test('an order whose answers got lost is one order', async () => {
  const shop = new FakeShop(new NetworkError(null), refusal(503, 'broker_unavailable'), new NetworkError(null))
  await place(note(BODY, AS, null), { wait }, shop)
  expect(shop.keys).toHaveLength(4)
  expect(shop.orders.size).toBe(1)
})

test('an order that was under way when the browser closed goes on with its key', async () => {
  const before = note(BODY, AS, null)
  expect(pendingOrder()).toEqual(before)
  expect(note({ ...BODY, email: 'other@example.test' }, AS, null)).toEqual(before)
  const shop = new FakeShop()
  await place(pendingOrder() as Note, { wait }, shop)
  expect(shop.keys).toEqual([before.key])
  expect(pendingOrder()).toBeUndefined()
})

test('what opens the order is kept', async () => {
  await place(note(BODY, AS, null), { wait }, new FakeShop())
  expect(orderToken('order')).toBe('opens it')
})

test('a refused order is over: the next one has a key of its own', async () => {
  const first = note(BODY, AS, null)
  await expect(place(first, { wait }, new FakeShop(refusal(409, 'price_changed')))).rejects.toThrow()
  expect(note(BODY, AS, null).key).not.toBe(first.key)
})

test('a session that ended leaves the order standing', async () => {
  const first = note(BODY, 'account', 'ada')
  await expect(place(first, { wait }, new FakeShop(refusal(401, 'session_ended')))).rejects.toThrow()
  expect(pendingOrder()).toEqual(first)
})
