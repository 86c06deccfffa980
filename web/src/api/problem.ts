/** Answers that say no (RFC 9457), and answers that never came. */

export type Problem = {
  code: string
  title: string
  detail: string
  status: number
  operation?: string
  errors?: { field: string; message: string }[]
  [member: string]: unknown
}

/** The shop said no. */
export class ProblemError extends Error {
  readonly problem: Problem
  readonly retryAfterS: number | undefined

  constructor(problem: Problem, retryAfterS?: number) {
    super(problem.detail)
    this.name = 'ProblemError'
    this.problem = problem
    this.retryAfterS = retryAfterS
  }

  get code(): string {
    return this.problem.code
  }
}

/** Nobody answered: it is not known whether the request arrived. */
export class NetworkError extends Error {
  constructor(cause: unknown) {
    super('The shop cannot be reached', { cause })
    this.name = 'NetworkError'
  }
}

/** The problem that a response tells of; one of our own making where a proxy answered instead of the shop. */
export async function problemOf(response: Response): Promise<ProblemError> {
  const after = Number(response.headers.get('Retry-After'))
  let problem: Problem = {
    code: response.status >= 500 ? 'unavailable' : 'bad_request',
    title: response.statusText,
    detail: `The shop answered ${response.status}`,
    status: response.status,
  }
  try {
    const body: unknown = await response.json()
    if (isProblem(body)) problem = body
  } catch {
    // No JSON: what we know is the status, and it is said already.
  }
  return new ProblemError({ ...problem, status: response.status }, after > 0 ? after : undefined)
}

/** The problem of an operation, which an outcome carries as it is. */
export function operationProblem(problem: unknown): ProblemError {
  if (isProblem(problem)) return new ProblemError(problem)
  return new ProblemError({ code: 'operation_failed', title: '', detail: '', status: 500 })
}

function isProblem(value: unknown): value is Problem {
  return typeof value === 'object' && value !== null && typeof (value as Problem).code === 'string'
}

const AGAIN = new Set([429, 502, 503, 504])

/** Whether the same request, with the same Idempotency-Key, should go out again: it was not taken, or nobody knows. */
export function worthAnotherTry(error: unknown): boolean {
  if (error instanceof NetworkError) return true
  if (!(error instanceof ProblemError)) return false
  return AGAIN.has(error.problem.status) || error.code === 'internal_error'
}
