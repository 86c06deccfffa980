import { useLocation, useNavigate } from '@tanstack/react-router'
import { useEffect, useRef, useSyncExternalStore } from 'react'
import { currentSession, onSession, type Session } from './store'

/** Who is signed in, and again whenever that changes. */
export function useSession(): Session {
  return useSyncExternalStore(onSession, currentSession)
}

/** Who is signed in; nobody is sent to sign in, and back here afterwards. */
export function useSignedIn(): Session {
  const session = useSession()
  const navigate = useNavigate()
  const here = useRef(useLocation().pathname)
  useEffect(() => {
    // Once for each change of the session: the page that is left still sees its address change.
    if (!session) void navigate({ to: '/sign-in', search: { to: here.current }, replace: true })
  }, [session, navigate])
  return session
}
