/**
 * Placing an order exactly once.
 *
 * What is sent is written down first, with its Idempotency-Key. The note stays until the outcome is known, through
 * reloads and restarts of the browser, and whoever finds it sends the same again: never two orders.
 */

import { type Credential, call, type Schemas } from '../api/client'
import { type Operation, newKey, type Patience, readOperation, settle } from '../api/commands'
import { ProblemError } from '../api/problem'
import { alone, isRecord, keep, kept } from '../kept'

export type NewOrder = Schemas['NewOrder']
export type Order = Schemas['OrderView']
export type Note = { key: string; body: NewOrder; as: Credential; userId: string | null; at: number }

export type Sender = {
  place(note: Note): Promise<Operation<Order>>
  read(note: Note, operation: string): Promise<Operation<Order>>
}

const NAME = 'quire.placing'
const TOKENS = 'quire.orders'
const TOKENS_MAX = 50

/** The order whose outcome is not known, if there is one. */
export function pendingOrder(): Note | undefined {
  return kept<Note>(NAME, (value) => typeof value.key === 'string' && isRecord(value.body))
}

/** Writes down what is about to be sent. A note that stands already is kept: its outcome comes first. */
export function note(body: NewOrder, as: Credential, userId: string | null): Note {
  const standing = pendingOrder()
  if (standing) return standing
  const written = { key: newKey(), body, as, userId, at: Date.now() }
  keep(NAME, written)
  return written
}

/** Sends the note until the outcome is known. A session that ended leaves it standing: sign in and go on. */
export async function place(written: Note, patience: Patience = {}, sender: Sender = HTTP): Promise<Order> {
  return alone('quire.placing', async () => {
    try {
      const order = await settle(
        () => sender.place(written),
        (id) => sender.read(written, id),
        patience,
      )
      forget(written)
      if (order.token) rememberToken(order.id, order.token)
      return order
    } catch (error) {
      if (error instanceof ProblemError && error.problem.status !== 401) forget(written)
      throw error
    }
  })
}

function forget(written: Note): void {
  if (pendingOrder()?.key === written.key) keep(NAME, undefined)
}

const HTTP: Sender = {
  async place({ key, body, as }) {
    const headers = { Prefer: 'wait=20', 'Idempotency-Key': key }
    return call('post', '/v1/orders', { as, headers, body })
  },
  async read({ as }, operation) {
    return readOperation<Order>(as)(operation)
  },
}

function tokens(): [string, string][] {
  return kept<[string, string][]>(TOKENS, (value) => Array.isArray(value) && value.every(Array.isArray)) ?? []
}

/** What opens an order that was placed in this browser. */
export function orderToken(id: string): string | undefined {
  return tokenInLink(id) ?? tokens().find(([each]) => each === id)?.[1]
}

/** A guest's mail links to the order with its token behind the #: it is kept, and leaves the address. */
function tokenInLink(id: string): string | undefined {
  const token = new URLSearchParams(location.hash.slice(1)).get('token')
  if (!token || location.pathname !== `/orders/${id}`) return undefined
  rememberToken(id, token)
  history.replaceState(history.state, '', location.pathname + location.search)
  return token
}

function rememberToken(id: string, token: string): void {
  const others = tokens().filter(([each]) => each !== id)
  keep(TOKENS, [[id, token], ...others].slice(0, TOKENS_MAX))
}

/** Who asks for an order: this browser's own token, else the account. */
export function orderCredential(id: string): Credential {
  const token = orderToken(id)
  return token ? { 'Order-Token': token } : 'account'
}
