/**
 * Who is signed in. The refresh token outlives the page; tabs share one session and refresh it one at a time, because
 * a refresh token is good once.
 */

import { alone, channel, keep, kept } from '../kept'
import type { Schemas } from '../api/client'
import { NetworkError, problemOf } from '../api/problem'

export type Tokens = { access: string; refresh: string; expiresAt: number }
export type Session = { tokens: Tokens; user: Schemas['UserView'] } | null

const NAME = 'quire.session'
const EARLY_MS = 30_000

type Standing = NonNullable<Session>

function fits({ tokens, user }: Partial<Standing>): boolean {
  return typeof tokens?.access === 'string' && typeof tokens.refresh === 'string' && Array.isArray(user?.roles)
}

let session: Session = kept<Standing>(NAME, fits) ?? null
const listeners = new Set<() => void>()

const tell = channel<Session>(NAME, (told) => {
  session = told
  for (const listener of listeners) listener()
})

export function currentSession(): Session {
  return session
}

export function onSession(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

export function setSession(next: Session): void {
  session = next
  keep(NAME, next ?? undefined)
  tell(next)
  for (const listener of listeners) listener()
}

/** The access token, if somebody is signed in. */
export function bearer(): string | undefined {
  return session?.tokens.access
}

export function tokensOf(view: Schemas['TokenView'], now = Date.now()): Tokens {
  return { access: view.access_token, refresh: view.refresh_token, expiresAt: now + view.expires_in * 1000 }
}

/** New tokens for old; false where the session has ended, and is forgotten then. Throws where nobody can say. */
export async function refreshed(): Promise<boolean> {
  const before = session?.tokens.refresh
  return alone('quire.refresh', async () => {
    const now = kept<Standing>(NAME, fits) ?? session
    if (!now) return false
    if (now.tokens.refresh !== before && now.tokens.expiresAt > Date.now() + EARLY_MS) {
      session = now // another tab was faster
      return true
    }
    let response: Response
    try {
      response = await fetch('/v1/sessions/refresh', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ refresh_token: now.tokens.refresh }),
      })
    } catch (error) {
      throw new NetworkError(error) // the session may well live on
    }
    if (response.ok) {
      setSession({ ...now, tokens: tokensOf((await response.json()) as Schemas['TokenView']) })
      return true
    }
    if (response.status !== 401) throw await problemOf(response)
    setSession(null)
    return false
  })
}
