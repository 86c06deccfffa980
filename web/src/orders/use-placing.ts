/** The state of placing an order, for the checkout page. */

import { useCallback, useEffect, useRef, useState } from 'react'
import type { Trouble } from '../api/commands'
import { ProblemError } from '../api/problem'
import { cartToOrder, refreshCart } from '../cart/store'
import { currentSession } from '../session/store'
import { type NewOrder, type Note, note, type Order, pendingOrder, place } from './placing'

export type Form = Omit<NewOrder, 'cart_id' | 'expected_total'>
export type Placing = {
  busy: boolean
  /** Whether the outcome of an earlier visit is being looked up. */
  finding: boolean
  trouble: Trouble | null
  problem: ProblemError | null
  send: (form: Form, expected?: NewOrder['expected_total']) => void
  forgetProblem: () => void
}

export function usePlacing(placed: (order: Order) => void): Placing {
  const [busy, setBusy] = useState(false)
  const [finding, setFinding] = useState(false)
  const [trouble, setTrouble] = useState<Trouble | null>(null)
  const [problem, setProblem] = useState<ProblemError | null>(null)
  const page = useRef<AbortController | null>(null)
  const done = useRef(placed)
  done.current = placed

  const run = useCallback(async (written: Promise<Note> | Note): Promise<void> => {
    setBusy(true)
    setProblem(null)
    const signal = page.current?.signal
    try {
      const order = await place(await written, { onTrouble: setTrouble, ...(signal ? { signal } : {}) })
      void refreshCart()
      if (!signal?.aborted) done.current(order)
    } catch (error) {
      if (signal?.aborted) return
      if (!(error instanceof ProblemError)) throw error
      setProblem(error)
      void refreshCart()
    } finally {
      setBusy(false)
      setFinding(false)
      setTrouble(null)
    }
  }, [])

  useEffect(() => {
    page.current = new AbortController()
    const standing = pendingOrder()
    if (standing && standing.userId === (currentSession()?.user.id ?? standing.userId)) {
      setFinding(true)
      void run(standing)
    }
    return () => page.current?.abort()
  }, [run])

  const send = useCallback(
    (form: Form, expected?: NewOrder['expected_total']) => {
      const written = async (): Promise<Note> => {
        const cart = await cartToOrder()
        const body = { cart_id: cart.id, ...form, ...(expected ? { expected_total: expected } : {}) }
        return note(body, cart.as, currentSession()?.user.id ?? null)
      }
      void run(written())
    },
    [run],
  )
  return { busy, finding, trouble, problem, send, forgetProblem: () => setProblem(null) }
}
