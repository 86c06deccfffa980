/**
 * A cart that shows a change at once and sends it afterwards.
 *
 * What the shopper wants of a title (`Wish`) stands on top of what the shop last said (`server`). Wishes leave one at a
 * time as "set to this quantity", so ten quick clicks become one or two commands and end on the right number. A wish
 * that the shop refuses is taken back, with the reason. Tabs that click before they have heard of each other's clicks
 * count them all. Nothing here knows of HTTP, storage or React.
 */

import { ProblemError } from '../api/problem'
import type { Trouble } from '../api/commands'

export type Money = { amount: number; currency: string }
export type Line = { isbn: string; title: string; quantity: number; unit_price: Money; total: Money }
export type Cart = { id: string; rev: number; lines: Line[]; total: Money }
export type Wish = {
  isbn: string
  title: string
  unitPrice: Money
  quantity: number
  key: string
  at: number
  /** How many copies more (or, below 0, fewer) than before were wanted; absent where the quantity itself was. */
  more?: number
}
export type Notice = { id: string; isbn: string; title: string; problem: ProblemError }

export type ShownLine = Line & { pending: boolean }
export type ShownCart = { lines: ShownLine[]; count: number; total: Money | null; pending: boolean }

export type State = {
  server: Cart | null
  wishes: Record<string, Wish>
  notices: Notice[]
  trouble: Trouble | null
}

export type Transport = {
  /** Makes the cart say this; resolves with the cart once that is so. Throws `ProblemError` for a no. */
  set(wish: Wish, onTrouble: (trouble: Trouble | null) => void): Promise<Cart>
  /** The cart as the shop has it. */
  read(): Promise<Cart>
  /** Runs in one tab at a time. */
  alone(work: () => Promise<void>): Promise<void>
  /** A key for a wish that came together from two. */
  newKey(): string
}

/** What one tab tells the others. */
export type Told =
  /** A wish on top of the wish `over` (its key) or, where there was none, of the cart at `rev`. */
  | { kind: 'wish'; wish: Wish; over?: string; rev: number }
  | { kind: 'settled'; isbn: string; key: string; server: Cart | null }
  | { kind: 'server'; server: Cart }

export const EMPTY: State = { server: null, wishes: {}, notices: [], trouble: null }
export const QUANTITY_MAX = 999

export class CartQueue {
  private state: State
  private pumping: Promise<void> | null = null
  private stopped = false
  private readonly transport: Transport
  private readonly changed: (state: State) => void
  private readonly tell: (told: Told) => void

  constructor(transport: Transport, state: State, changed: (state: State) => void, tell: (told: Told) => void) {
    this.transport = transport
    this.state = state
    this.changed = changed
    this.tell = tell
  }

  get current(): State {
    return this.state
  }

  /** How many copies of a title are shown. */
  quantity(isbn: string): number {
    const wish = this.state.wishes[isbn]
    return wish?.quantity ?? this.state.server?.lines.find((line) => line.isbn === isbn)?.quantity ?? 0
  }

  /** The shopper wants this many copies; 0 takes the title out. */
  want(wish: Wish): void {
    const bounded = { ...wish, quantity: Math.max(0, Math.min(QUANTITY_MAX, wish.quantity)) }
    const over = this.state.wishes[wish.isbn]?.key
    this.put({ wishes: { ...this.state.wishes, [wish.isbn]: bounded } })
    this.tell({ kind: 'wish', wish: bounded, over, rev: this.rev })
    void this.pump()
  }

  /** What the shop says, unless something newer is known. */
  learn(server: Cart): void {
    if (this.isNews(server)) {
      this.put({ server })
      this.tell({ kind: 'server', server })
    }
  }

  /** What another tab says. Its wishes are sent from here should that tab be gone. */
  hear(told: Told): void {
    if (told.kind === 'wish') {
      this.put({ wishes: { ...this.state.wishes, [told.wish.isbn]: this.joined(told) } })
      void this.pump()
    } else if (told.kind === 'settled') {
      this.put({
        wishes: without(this.state.wishes, told.isbn, told.key),
        ...(told.server && this.isNews(told.server) ? { server: told.server } : {}),
      })
    } else if (this.isNews(told.server)) {
      this.put({ server: told.server })
    }
  }

  dismiss(id: string): void {
    this.put({ notices: this.state.notices.filter((notice) => notice.id !== id) })
  }

  /** Sends nothing any more and tells nobody: the cart has changed hands. */
  stop(): void {
    this.stopped = true
  }

  /** Resolves once nothing is left to send. */
  async settled(): Promise<void> {
    while (!this.stopped && (this.pumping || this.next())) await this.pump()
  }

  /** Sends what is wanted, one title after the other, until nothing is left. */
  pump(): Promise<void> {
    this.pumping ??= this.transport
      .alone(async () => {
        for (let wish = this.next(); wish; wish = this.next()) await this.sendOne(wish)
      })
      .finally(() => {
        this.pumping = null
      })
    return this.pumping
  }

  /**
   * What is wanted once another tab's wish is heard. Of two quantities the later one. A click on plus or minus made
   * before that tab knew what is known here counts from what is known here.
   */
  private joined({ wish, over, rev }: Extract<Told, { kind: 'wish' }>): Wish {
    const mine = this.state.wishes[wish.isbn]
    const knew = mine ? mine.key === over : rev >= this.rev
    if (knew || mine?.key === wish.key) return wish
    if (wish.more === undefined || (mine && mine.more === undefined)) return mine && mine.at > wish.at ? mine : wish
    const known = this.quantity(wish.isbn)
    const quantity = Math.max(Math.min(known, 1), Math.min(QUANTITY_MAX, known + wish.more)) // minus ends at one copy
    // A key stands for one quantity: another tab may have sent this one with its own.
    return quantity === wish.quantity && !mine ? wish : { ...wish, quantity, key: this.transport.newKey() }
  }

  private get rev(): number {
    return this.state.server?.rev ?? 0
  }

  private next(): Wish | undefined {
    return this.stopped ? undefined : first(this.state.wishes)
  }

  private async sendOne(wish: Wish): Promise<void> {
    try {
      const server = await this.transport.set(wish, (trouble) => this.put({ trouble }))
      this.settle(wish, server)
    } catch (error) {
      if (this.stopped) return
      if (!(error instanceof ProblemError)) throw error
      const notice = { id: wish.key, isbn: wish.isbn, title: wish.title, problem: error }
      this.put({ notices: [...this.state.notices.filter((each) => each.isbn !== wish.isbn), notice] })
      this.settle(wish, await this.transport.read().catch(() => null))
    }
  }

  private settle(wish: Wish, server: Cart | null): void {
    if (this.stopped) return
    const news = server && this.isNews(server) ? { server } : {}
    this.put({ wishes: without(this.state.wishes, wish.isbn, wish.key), ...news })
    this.tell({ kind: 'settled', isbn: wish.isbn, key: wish.key, server })
  }

  private isNews(server: Cart): boolean {
    const known = this.state.server
    return !known || known.id !== server.id || server.rev >= known.rev
  }

  private put(change: Partial<State>): void {
    if (this.stopped) return
    this.state = { ...this.state, ...change }
    this.changed(this.state)
  }
}

function first(wishes: Record<string, Wish>): Wish | undefined {
  return Object.values(wishes).sort((one, other) => one.at - other.at)[0]
}

/** The wishes without this one; a newer wish for the same title stays. */
function without(wishes: Record<string, Wish>, isbn: string, key: string): Record<string, Wish> {
  if (wishes[isbn]?.key !== key) return wishes
  const { [isbn]: _settled, ...rest } = wishes
  return rest
}

/** The cart as it is shown: what the shop says, with what the shopper wants on top. */
export function shown({ server, wishes }: State): ShownCart {
  const lines = (server?.lines ?? []).map((line): ShownLine => {
    const wish = wishes[line.isbn]
    return wish ? { ...line, ...lineOf(wish, line.unit_price) } : { ...line, pending: false }
  })
  const known = new Set(lines.map((line) => line.isbn))
  for (const wish of Object.values(wishes).sort((one, other) => one.at - other.at)) {
    if (!known.has(wish.isbn)) lines.push(lineOf(wish, wish.unitPrice))
  }
  const kept = lines.filter((line) => line.quantity > 0)
  const currency = kept[0]?.total.currency
  return {
    lines: kept,
    count: kept.reduce((sum, line) => sum + line.quantity, 0),
    total: currency ? { amount: kept.reduce((sum, line) => sum + line.total.amount, 0), currency } : null,
    pending: Object.keys(wishes).length > 0,
  }
}

function lineOf(wish: Wish, unitPrice: Money): ShownLine {
  const total = { amount: wish.quantity * unitPrice.amount, currency: unitPrice.currency }
  return { isbn: wish.isbn, title: wish.title, quantity: wish.quantity, unit_price: unitPrice, total, pending: true }
}
