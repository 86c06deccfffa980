/** Calls of the HTTP API, typed by the OpenAPI document. */

import { bearer, refreshed } from '../session/store'
import { NetworkError, problemOf } from './problem'
import type { components, paths } from './schema'

export type Schemas = components['schemas']

export type Method = 'get' | 'post' | 'put' | 'patch' | 'delete'
type OperationAt<P extends keyof paths, M extends Method> = paths[P] extends Record<M, infer Op> ? Op : never
export type PathWith<M extends Method> = {
  [P in keyof paths]: OperationAt<P, M> extends { responses: unknown } ? P : never
}[keyof paths]

type Json<R> = R extends { content: { 'application/json': infer T } } ? T : undefined
export type Answer<Op> = Op extends { responses: infer R } ? Json<R[keyof R & (200 | 201 | 202 | 204)]> : never
type Body<Op> = Op extends { requestBody: { content: { 'application/json': infer T } } }
  ? { body: T }
  : { body?: unknown }
type PathOf<Op> = Op extends { parameters: { path: infer T } } ? { path: T } : { path?: undefined }
type QueryOf<Op> = Op extends { parameters: { query?: infer T } } ? { query?: T } : { query?: undefined }

/** Who asks: the account where somebody is signed in, these headers and nobody else, or nobody. */
export type Credential = 'account' | Record<string, string> | undefined

export type CallOptions = {
  as?: Credential
  headers?: Record<string, string>
  signal?: AbortSignal
  timeoutMs?: number
}

const TIMEOUT_MS = 35_000 // longer than the longest `Prefer: wait`

/** A path with its parameters filled in, and its query. */
export function urlOf(path: string, params: Record<string, unknown> = {}, query: Record<string, unknown> = {}): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(params[name])))
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== '') search.set(name, String(value))
  }
  const text = search.toString()
  return text ? `${filled}?${text}` : filled
}

/** One call. Throws `ProblemError` for an answer that says no, `NetworkError` where there was none. */
export async function call<M extends Method, P extends PathWith<M>>(
  method: M,
  path: P,
  options: CallOptions & Body<OperationAt<P, M>> & PathOf<OperationAt<P, M>> & QueryOf<OperationAt<P, M>>,
): Promise<Answer<OperationAt<P, M>>> {
  const url = urlOf(String(path), options.path as Record<string, unknown>, options.query as Record<string, unknown>)
  if (method === 'get') {
    const told = toldByThePage(url)
    if (told !== undefined) return told as Answer<OperationAt<P, M>>
  }
  const response = await send(method, url, options)
  if (response.status === 204) return undefined as Answer<OperationAt<P, M>>
  return (await readJson(response)) as Answer<OperationAt<P, M>>
}

/** As `call`, for what is no JSON: files that go out, streams that come in. */
export async function send(method: Method, url: string, options: CallOptions & { body?: unknown }): Promise<Response> {
  const response = await once(method, url, options)
  if (response.status === 401 && options.as === 'account' && bearer()) {
    // The access token lives minutes, the session days: one new token, one more try.
    if (await refreshed()) return checked(await once(method, url, options))
  }
  return checked(response)
}

async function once(method: Method, url: string, options: CallOptions & { body?: unknown }): Promise<Response> {
  const headers: Record<string, string> = { Accept: 'application/json', ...options.headers }
  const token = options.as === 'account' ? bearer() : undefined
  if (token) headers.Authorization = `Bearer ${token}`
  if (typeof options.as === 'object') Object.assign(headers, options.as)
  let body = options.body as BodyInit | undefined
  if (options.body !== undefined && !(options.body instanceof Blob)) {
    headers['Content-Type'] = 'application/json'
    body = JSON.stringify(options.body)
  }
  const limits = [AbortSignal.timeout(options.timeoutMs ?? TIMEOUT_MS), ...(options.signal ? [options.signal] : [])]
  try {
    return await fetch(url, { method: method.toUpperCase(), headers, body, signal: AbortSignal.any(limits) })
  } catch (error) {
    if (options.signal?.aborted) throw error
    throw new NetworkError(error)
  }
}

async function checked(response: Response): Promise<Response> {
  if (response.ok) return response
  throw await problemOf(response)
}

async function readJson(response: Response): Promise<unknown> {
  try {
    return await response.json()
  } catch (error) {
    throw new NetworkError(error) // the connection broke in the middle of the answer
  }
}

let told: Record<string, unknown> | undefined

/** What the page brought along, so that its first paint needs no second request. Each answer is used once. */
function toldByThePage(url: string): unknown {
  if (told === undefined) {
    const element = document.getElementById('quire-data')
    told = element?.textContent ? (JSON.parse(element.textContent) as Record<string, unknown>) : {}
  }
  const answer = told[url]
  delete told[url]
  return answer
}
