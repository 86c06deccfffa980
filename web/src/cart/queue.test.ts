import { describe, expect, test } from 'vitest'
import { ProblemError } from '../api/problem'
import { type Cart, CartQueue, EMPTY, shown, type State, type Told, type Transport, type Wish } from './queue'

const PRICE = { amount: 1000, currency: 'EUR' }

function wish(quantity: number, isbn = 'a'): Wish {
  at += 1
  return { isbn, title: isbn.toUpperCase(), unitPrice: PRICE, quantity, key: `key ${at}`, at }
}

function cartOf(rev: number, quantities: Record<string, number>): Cart {
  const lines = Object.entries(quantities)
    .filter(([, quantity]) => quantity > 0)
    .map(([isbn, quantity]) => {
      const total = { amount: quantity * PRICE.amount, currency: 'EUR' }
      return { isbn, title: isbn.toUpperCase(), quantity, unit_price: PRICE, total }
    })
  return { id: 'cart', rev, lines, total: { amount: 0, currency: 'EUR' } }
}

let at = 0

/** Everything that can happen without the shop has happened. */
const moment = () => new Promise((resolve) => setTimeout(resolve))

/** A shop that carries out what it is sent when it is let, and remembers. */
class FakeShop implements Transport {
  quantities: Record<string, number> = {}
  rev = 0
  sent: Wish[] = []
  refused = new Set<string>()
  private waiting: (() => void)[] = []
  private lock: Promise<void> = Promise.resolve()
  slow: boolean

  constructor(slow = false) {
    this.slow = slow
  }

  async set(each: Wish): Promise<Cart> {
    this.sent.push(each)
    if (this.slow) await new Promise<void>((resolve) => this.waiting.push(resolve))
    if (this.refused.has(each.isbn)) {
      throw new ProblemError({ code: 'not_for_sale', title: '', detail: 'not for sale', status: 409 })
    }
    this.quantities[each.isbn] = each.quantity
    this.rev += 1
    return cartOf(this.rev, this.quantities)
  }

  async read(): Promise<Cart> {
    return cartOf(this.rev, this.quantities)
  }

  alone(work: () => Promise<void>): Promise<void> {
    this.lock = this.lock.then(work)
    return this.lock
  }

  newKey(): string {
    at += 1
    return `joined ${at}`
  }

  async answer(): Promise<void> {
    this.waiting.shift()?.()
    await moment()
  }
}

function tab(shop: Transport, tell: (told: Told) => void = () => undefined, state: State = EMPTY): CartQueue {
  return new CartQueue(shop, state, () => undefined, tell)
}

describe('a cart', () => {
  test('shows a change before the shop has heard of it', () => {
    const queue = tab(new FakeShop(true))
    queue.want(wish(2))
    expect(shown(queue.current)).toMatchObject({ count: 2, total: { amount: 2000 }, pending: true })
  })

  test('ends on the right number after ten quick clicks, with two commands', async () => {
    const shop = new FakeShop(true)
    const queue = tab(shop)
    queue.want(wish(1))
    await moment()
    for (let click = 1; click < 10; click += 1) queue.want(wish(queue.quantity('a') + 1))
    await shop.answer()
    await shop.answer()
    await queue.settled()
    expect(shop.quantities).toEqual({ a: 10 })
    expect(shop.sent.map((each) => each.quantity)).toEqual([1, 10])
    expect(shown(queue.current)).toMatchObject({ count: 10, pending: false })
  })

  test('takes a refused change back and says why', async () => {
    const shop = new FakeShop()
    shop.quantities = { a: 1 }
    shop.rev = 1
    shop.refused.add('a')
    const queue = tab(shop, undefined, { ...EMPTY, server: cartOf(1, { a: 1 }) })
    queue.want(wish(5))
    expect(shown(queue.current).count).toBe(5)
    await queue.settled()
    expect(shown(queue.current).count).toBe(1)
    expect(queue.current.notices).toMatchObject([{ title: 'A', problem: { code: 'not_for_sale' } }])
  })

  test('goes on with other titles after a refusal', async () => {
    const shop = new FakeShop()
    shop.refused.add('a')
    const queue = tab(shop)
    queue.want(wish(1, 'a'))
    queue.want(wish(3, 'b'))
    await queue.settled()
    expect(shown(queue.current).lines.map((line) => [line.isbn, line.quantity])).toEqual([['b', 3]])
  })

  test('keeps a wish that is newer than the refused one', async () => {
    const shop = new FakeShop(true)
    shop.refused.add('a')
    const queue = tab(shop)
    queue.want(wish(1))
    await moment()
    queue.want(wish(2))
    await shop.answer()
    shop.refused.clear()
    await shop.answer()
    expect(shop.sent.map((each) => each.quantity)).toEqual([1, 2])
    await queue.settled()
    expect(shop.quantities).toEqual({ a: 2 })
  })

  test('is sent again, with the same key, by whoever finds it after a restart', async () => {
    const left = wish(4)
    const shop = new FakeShop()
    const queue = tab(shop, undefined, { ...EMPTY, wishes: { a: left } })
    await queue.settled()
    expect(shop.sent).toEqual([left])
    expect(shown(queue.current)).toMatchObject({ count: 4, pending: false })
  })

  test('takes nothing older than what it knows', () => {
    const queue = tab(new FakeShop())
    queue.learn(cartOf(5, { a: 5 }))
    queue.learn(cartOf(4, { a: 1 }))
    expect(shown(queue.current).count).toBe(5)
  })

  test('shows nothing of a title that was taken out', async () => {
    const shop = new FakeShop()
    const queue = tab(shop)
    queue.want(wish(2))
    await queue.settled()
    queue.want(wish(0))
    expect(shown(queue.current)).toMatchObject({ lines: [], count: 0, total: null })
    await queue.settled()
    expect(shop.quantities).toEqual({ a: 0 })
  })

  test('sends nothing once it has changed hands', async () => {
    const shop = new FakeShop(true)
    const queue = tab(shop)
    queue.want(wish(1))
    await moment()
    queue.stop()
    queue.want(wish(2))
    await shop.answer()
    await queue.settled()
    expect(shop.sent.map((each) => each.quantity)).toEqual([1])
  })
})

describe('two tabs', () => {
  function twoTabs(shop: FakeShop): [CartQueue, CartQueue] {
    const tabs: CartQueue[] = []
    const other = (mine: number) => (told: Told) => tabs[1 - mine]?.hear(told)
    tabs.push(tab(shop, other(0)), tab(shop, other(1)))
    return tabs as [CartQueue, CartQueue]
  }

  test('agree on what both changed', async () => {
    const shop = new FakeShop()
    const [one, other] = twoTabs(shop)
    one.want(wish(one.quantity('a') + 1))
    other.want(wish(other.quantity('a') + 1))
    one.want(wish(one.quantity('b') + 1, 'b'))
    await Promise.all([one.settled(), other.settled()])
    expect(shop.quantities).toEqual({ a: 2, b: 1 })
    expect(shown(one.current)).toEqual(shown(other.current))
  })

  /** Two tabs that hear of each other only when `heard` is called. */
  function twoDistantTabs(shop: FakeShop): [CartQueue, CartQueue, () => void] {
    const tabs: CartQueue[] = []
    let waiting: (() => void)[] = []
    const other = (mine: number) => (told: Told) => {
      waiting.push(() => tabs[1 - mine]?.hear(told))
    }
    const state = { ...EMPTY, server: cartOf(shop.rev, shop.quantities) }
    tabs.push(tab(shop, other(0), state), tab(shop, other(1), state))
    const heard = () => {
      const now = waiting
      waiting = []
      for (const each of now) each()
    }
    return [tabs[0] as CartQueue, tabs[1] as CartQueue, heard]
  }

  function click(queue: CartQueue, more: number): void {
    queue.want({ ...wish(queue.quantity('a') + more), more })
  }

  async function agreed(one: CartQueue, other: CartQueue, heard: () => void): Promise<void> {
    for (let round = 0; round < 5; round += 1) {
      heard()
      await Promise.all([one.settled(), other.settled()])
    }
    expect(shown(one.current)).toMatchObject({ pending: false })
    expect(shown(one.current)).toEqual(shown(other.current))
  }

  test('count clicks that were made before either had heard of the other', async () => {
    const shop = new FakeShop()
    shop.quantities = { a: 10 }
    const [one, other, heard] = twoDistantTabs(shop)
    for (const each of [one, other, other]) click(each, 1)
    heard()
    expect([one.quantity('a'), other.quantity('a')]).toEqual([13, 13])
    await agreed(one, other, heard)
    expect(shop.quantities).toEqual({ a: 13 })
  })

  test('count a click made before its tab had heard that another was through', async () => {
    const shop = new FakeShop()
    shop.quantities = { a: 10 }
    const [one, other, heard] = twoDistantTabs(shop)
    click(one, 1)
    await one.settled()
    click(other, 1)
    click(other, -1)
    click(other, 1)
    await agreed(one, other, heard)
    expect(shop.quantities).toEqual({ a: 12 })
  })

  test('never send two quantities with one key', async () => {
    const shop = new FakeShop()
    const [one, other, heard] = twoDistantTabs(shop)
    for (const each of [one, other, one, other]) click(each, 1)
    await agreed(one, other, heard)
    const sent = new Map(shop.sent.map((each) => [each.key, each.quantity]))
    expect(shop.sent.every((each) => sent.get(each.key) === each.quantity)).toBe(true)
    expect(shop.quantities).toEqual({ a: 4 })
  })

  test('leave one copy where both took one of two away', async () => {
    const shop = new FakeShop()
    shop.quantities = { a: 2 }
    const [one, other, heard] = twoDistantTabs(shop)
    for (const each of [one, other]) click(each, -1)
    await agreed(one, other, heard)
    expect(shop.quantities).toEqual({ a: 1 })
  })

  test('believe the later one of two quantities', async () => {
    const shop = new FakeShop()
    const [one, other, heard] = twoDistantTabs(shop)
    one.want(wish(7))
    other.want(wish(3))
    await agreed(one, other, heard)
    expect(shop.quantities).toEqual({ a: 3 })
  })

  test('send each change once', async () => {
    const shop = new FakeShop()
    const [one, other] = twoTabs(shop)
    one.want(wish(1))
    await Promise.all([one.settled(), other.settled()])
    expect(shop.sent).toHaveLength(1)
  })
})
