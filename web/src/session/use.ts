import { useSyncExternalStore } from 'react'
import { currentSession, onSession, type Session } from './store'

/** Who is signed in, and again whenever that changes. */
export function useSession(): Session {
  return useSyncExternalStore(onSession, currentSession)
}
