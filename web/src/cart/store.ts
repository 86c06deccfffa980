/** The shopper's cart: whose it is, where it is kept, and how its wishes reach the shop. */

import { useSyncExternalStore } from 'react'
import { type Credential, call, type Schemas } from '../api/client'
import { insist, keyed, newKey, readOperation, settle, type Trouble } from '../api/commands'
import { ProblemError } from '../api/problem'
import { alone, channel, isRecord, keep, kept } from '../kept'
import { currentSession, onSession } from '../session/store'
import { type Cart, CartQueue, EMPTY, type Money, shown, type ShownCart, type State, type Told, type Wish } from './queue'

/** A guest's cart opens with its token; an account's with the account. */
type Guest = { id: string; token: string }
type Kept = { guest: Guest | null; account: string | null; merging: (Guest & { key: string }) | null; state: State }

const NAME = 'quire.cart'
const NOTHING: Kept = { guest: null, account: null, merging: null, state: EMPTY }

function fits({ state, guest, account, merging }: Partial<Kept>): boolean {
  if (!isRecord(state) || !isRecord(state.wishes) || Array.isArray(state.wishes)) return false
  shown(state) // throws for lines and wishes that are none: they do not fit
  const owned = [guest, merging].every((each) => each === null || typeof each?.token === 'string')
  return owned && (account === null || typeof account === 'string') && (state.server === null || Array.isArray(state.server.lines))
}

let mine: Kept = kept<Kept>(NAME, fits) ?? NOTHING
let queue: CartQueue
let view: ShownCart
let stopSending: AbortController | undefined
const listeners = new Set<() => void>()

type Identity = Pick<Kept, 'guest' | 'account' | 'merging'>
type Message = { kind: 'identity'; identity: Identity } | { kind: 'told'; told: Told }

/** A guest's cart that these answers tell of can hold nothing any more. */
const LOST = new Set(['cart_merged', 'unauthorized', 'not_found'])

const tell = channel<Message>(NAME, (message) => {
  if (message.kind === 'told') queue.hear(message.told)
  else hearIdentity(message.identity)
})

/** Another tab signed in or out, or got a cart. */
function hearIdentity(identity: Identity): void {
  const left = mine.account !== identity.account || (mine.guest !== null && mine.guest.id !== identity.guest?.id)
  mine = { ...mine, ...identity }
  if (left) {
    mine = { ...mine, state: EMPTY }
    open()
    void refreshCart()
  }
}

function open(): void {
  queue?.stop()
  // Trouble and notices belong to the page that saw them.
  const state = { ...mine.state, trouble: null, notices: [] }
  const leaving = new AbortController()
  const transport = {
    set: (wish: Wish, onTrouble: (trouble: Trouble | null) => void) => set(wish, onTrouble, leaving.signal),
    read,
    alone: (work: () => Promise<void>) => alone('quire.cart.send', work),
    newKey,
  }
  stopSending?.abort()
  stopSending = leaving
  queue = new CartQueue(transport, state, remember, (told) => tell({ kind: 'told', told }))
  view = shown(state)
  for (const listener of listeners) listener()
}

function remember(state: State): void {
  view = shown(state)
  mine = { ...mine, state }
  keep(NAME, mine)
  for (const listener of listeners) listener()
}

function become(change: Partial<Kept>): void {
  mine = { ...mine, ...change }
  keep(NAME, mine)
  tell({ kind: 'identity', identity: { guest: mine.guest, account: mine.account, merging: mine.merging } })
}

function credential(): Credential {
  return mine.account ? 'account' : mine.guest ? { 'Cart-Token': mine.guest.token } : undefined
}

/** The cart's id; a guest gets one with the first title. */
async function cartId(): Promise<string> {
  if (mine.account) return mine.account
  if (!mine.guest) {
    const made = await call('post', '/v1/carts', {})
    if (made.token) become({ guest: { id: made.id, token: made.token } })
  }
  return mine.guest?.id ?? ''
}

async function set(
  wish: Wish,
  onTrouble: (trouble: Trouble | null) => void,
  signal: AbortSignal,
): Promise<Cart> {
  const send = async (): Promise<Schemas['CartOperation']> => {
    const path = { cart_id: await cartId(), isbn: wish.isbn }
    signal.throwIfAborted()
    const options = { path, as: credential(), headers: keyed(wish.key), signal }
    return wish.quantity > 0
      ? call('put', '/v1/carts/{cart_id}/items/{isbn}', { ...options, body: { quantity: wish.quantity } })
      : call('delete', '/v1/carts/{cart_id}/items/{isbn}', options)
  }
  const attempt = () =>
    settle<Cart>(send, (id) => readOperation<Cart>(credential())(id), { onTrouble, signal })
  try {
    return await attempt()
  } catch (error) {
    if (!(error instanceof ProblemError) || mine.account || !LOST.has(error.code)) throw error
    // Merged into an account's cart, or of a shop that was set up anew: whoever shops on as a guest fills a new one.
    become({ guest: null })
    return attempt()
  }
}

async function read(): Promise<Cart> {
  return call('get', '/v1/carts/{cart_id}', { path: { cart_id: await cartId() }, as: credential() })
}

/** Reads the cart again, if there is one. */
export async function refreshCart(): Promise<void> {
  if (!mine.account && !mine.guest) return
  try {
    queue.learn(await read())
  } catch (error) {
    if (error instanceof ProblemError && mine.guest && LOST.has(error.code)) {
      become({ guest: null, state: { ...EMPTY, wishes: mine.state.wishes } })
      open()
    }
    // Otherwise what was known is shown; the next change tells what is wrong.
  }
}

/** Follows who is signed in: a guest's cart goes into the account's, and signing out starts an empty one. */
async function follow(): Promise<void> {
  const session = currentSession()
  if (session && !mine.account) await enter()
  else if (!session && mine.account) {
    become({ account: null, guest: null, merging: null, state: EMPTY })
    open()
  }
  if (mine.merging) await merge()
}

async function enter(): Promise<void> {
  await alone('quire.cart.enter', async () => {
    if (mine.account) return // another tab was faster
    if (mine.guest) await queue.settled()
    const { id } = await insist(() => call('post', '/v1/carts', { as: 'account' }))
    const full = (mine.state.server?.lines.length ?? 0) > 0
    const merging = full && mine.guest ? { ...mine.guest, key: newKey() } : null
    become({ account: id, guest: null, merging, state: EMPTY })
    open()
    await refreshCart()
  })
}

async function merge(): Promise<void> {
  await alone('quire.cart.merge', async () => {
    const { merging, account } = mine
    if (!merging || !account) return
    const body = { cart_id: merging.id, token: merging.token }
    const options = { path: { cart_id: account }, as: 'account' as const, headers: keyed(merging.key), body }
    try {
      const send = () => call('post', '/v1/carts/{cart_id}/merge', options)
      queue.learn(await settle<Cart>(send, readOperation<Cart>('account')))
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error
      await refreshCart() // merged before, or never will be
    }
    become({ merging: null })
  })
}

/** Wants `quantity` copies of a title. */
export function wantInCart(isbn: string, title: string, unitPrice: Money, quantity: number, more?: number): void {
  queue.want({ isbn, title, unitPrice, quantity, key: newKey(), at: Date.now(), more })
}

/** Wants so many more copies of a title. */
export function addToCart(isbn: string, title: string, unitPrice: Money, more: number): void {
  wantInCart(isbn, title, unitPrice, queue.quantity(isbn) + more, more)
}

/** What an order needs: every change has arrived, and this is the cart and its credential. */
export async function cartToOrder(): Promise<{ id: string; as: Credential }> {
  await queue.settled()
  return { id: await cartId(), as: credential() }
}

export function dismissNotice(id: string): void {
  queue.dismiss(id)
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** The cart as it is shown. */
export function useCart(): ShownCart {
  return useSyncExternalStore(subscribe, () => view)
}

/** What stands between the cart and the shop: refusals, and what keeps changes from arriving. */
export function useCartState(): State {
  return useSyncExternalStore(subscribe, () => queue.current)
}

/** Opens the cart that was kept, and sends what was not sent. */
export function startCart(): void {
  open()
  onSession(() => void follow())
  void follow().then(refreshCart)
  if (Object.keys(mine.state.wishes).length > 0) void queue.pump()
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') void refreshCart()
  })
}
