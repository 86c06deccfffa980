/** What outlives the page: localStorage, as JSON. A browser that forbids it keeps things for the page's life. */

const memory = new Map<string, string>()

/** What stands there, if it `fits`: what another version or something else has written is as if it were not there. */
export function kept<T>(name: string, fits: (value: Partial<T>) => boolean): T | undefined {
  const text = readText(name)
  if (text === null) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) && fits(value as Partial<T>) ? (value as T) : undefined
  } catch {
    return undefined // no JSON, or fits() fell over it
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

export function keep(name: string, value: unknown): void {
  const text = value === undefined ? null : JSON.stringify(value)
  if (text === null) memory.delete(name)
  else memory.set(name, text)
  try {
    if (text === null) localStorage.removeItem(name)
    else localStorage.setItem(name, text)
  } catch {
    // Full or forbidden: `memory` has it.
  }
}

function readText(name: string): string | null {
  try {
    return localStorage.getItem(name)
  } catch {
    return memory.get(name) ?? null
  }
}

/** Between tabs of one browser; silent where the browser has no such thing. */
export function channel<T>(name: string, hear: (message: T) => void): (message: T) => void {
  if (typeof BroadcastChannel === 'undefined') return () => undefined
  const open = new BroadcastChannel(name)
  open.onmessage = (event: MessageEvent<T>) => hear(event.data)
  return (message) => open.postMessage(message)
}

/** Runs `work` in one tab at a time. Where the browser has no locks (plain http), in each. */
export async function alone<T>(name: string, work: () => Promise<T>): Promise<T> {
  if (!navigator.locks) return work()
  return (await navigator.locks.request(name, work)) as T
}
