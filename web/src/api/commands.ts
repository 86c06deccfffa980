/** Commands: sent with an Idempotency-Key until their outcome is known, however often that takes. */

import { type Answer, type Credential, call } from './client'
import { NetworkError, operationProblem, ProblemError, worthAnotherTry } from './problem'
import type { paths } from './schema'

export type Operation<T> = {
  id: string
  status: 'pending' | 'succeeded' | 'rejected' | 'failed'
  result?: T | null
  problem?: Record<string, unknown> | null
}

/** What keeps a command from its outcome, and when it is tried again. */
export type Trouble = { kind: 'offline' | 'unavailable'; attempt: number; againAt: number }

export type Patience = {
  onTrouble?: (trouble: Trouble | null) => void
  signal?: AbortSignal
  wait?: (ms: number, signal?: AbortSignal) => Promise<void>
}

export const WAIT = { Prefer: 'wait=10' }
const POLL_MS = 500
const PAUSE_MS_MAX = 15_000

/** A new Idempotency-Key. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** How long to wait before attempt number `attempt` (from 1), in ms: doubling, with jitter, as asked where asked. */
export function pauseMs(attempt: number, retryAfterS: number | undefined, random: () => number = Math.random): number {
  if (retryAfterS !== undefined) return Math.min(retryAfterS * 1000, PAUSE_MS_MAX)
  return Math.min(1000 * 2 ** (attempt - 1), PAUSE_MS_MAX) * (0.75 + random() / 2)
}

/** Resolves after `ms`, or as soon as the browser says that it is online again. */
export function awaited(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (finish: () => void) => () => {
      clearTimeout(timer)
      window.removeEventListener('online', again)
      signal?.removeEventListener('abort', stop)
      finish()
    }
    const again = done(resolve)
    const stop = done(() => reject(signal?.reason))
    const timer = setTimeout(again, ms)
    window.addEventListener('online', again)
    signal?.addEventListener('abort', stop)
    if (signal?.aborted) stop()
  })
}

/** Calls until somebody answers; a no is an answer. For what may be sent any number of times. */
export async function insist<T>(
  attemptIt: () => Promise<T>,
  { onTrouble, signal, wait = awaited }: Patience = {},
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const answer = await attemptIt()
      onTrouble?.(null)
      return answer
    } catch (error) {
      if (signal?.aborted || !worthAnotherTry(error)) {
        onTrouble?.(null)
        throw error
      }
      const ms = pauseMs(attempt, error instanceof ProblemError ? error.retryAfterS : undefined)
      const kind = error instanceof NetworkError ? 'offline' : 'unavailable'
      onTrouble?.({ kind, attempt, againAt: Date.now() + ms })
      await wait(ms, signal)
    }
  }
}

/**
 * Sends a command until its outcome is known, always with the same key, and gives its result.
 *
 * Throws `ProblemError` for an outcome that says no. Where it throws anything else, the outcome is not known.
 */
export async function settle<T>(
  sendIt: () => Promise<Operation<T>>,
  readIt: (id: string) => Promise<Operation<T>>,
  patience: Patience = {},
): Promise<T> {
  let operation = await insist(sendIt, patience)
  while (operation.status === 'pending') {
    await (patience.wait ?? awaited)(POLL_MS, patience.signal)
    const { id } = operation
    operation = await insist(() => readIt(id), patience)
  }
  if (operation.status === 'succeeded') return operation.result as T
  throw operationProblem(operation.problem)
}

/** Reads an operation with the credential that sent its command. */
export function readOperation<T>(as: Credential): (id: string) => Promise<Operation<T>> {
  type Found = Answer<paths['/v1/operations/{operation_id}']['get']>
  return async (id) => {
    const found: Found = await call('get', '/v1/operations/{operation_id}', { path: { operation_id: id }, as })
    return found as Operation<T>
  }
}

/** The headers of a command that waits for its outcome. */
export function keyed(key: string): Record<string, string> {
  return { ...WAIT, 'Idempotency-Key': key }
}
