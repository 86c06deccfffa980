import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { type FormEvent, type ReactNode, useEffect, useRef, useState } from 'react'
import { call } from '../api/client'
import { insist } from '../api/commands'
import type { ProblemError } from '../api/problem'
import { reason, t, textsOf } from '../i18n'
import { checkoutEn } from '../messages/checkout.en'
import { setSession, tokensOf } from '../session/store'
import { useSession } from '../session/use'
import { Field, focusFirstError, textsIn, wrongFields } from '../ui/fields'
import { Heading, usePage } from '../ui/page'

const c = textsOf(checkoutEn)

/** Where to go after signing in: a path of this shop and nothing else. */
export function safePath(to: string | undefined): string {
  return to && /^\/(?![/\\])/.test(to) ? to : '/account'
}

async function signIn(email: string, password: string): Promise<void> {
  const tokens = tokensOf(await call('post', '/v1/sessions', { body: { email, password } }))
  const user = await insist(() =>
    call('get', '/v1/users/me', { as: { Authorization: `Bearer ${tokens.access}` } }),
  )
  setSession({ tokens, user })
}

function useSigning(work: (texts: Record<string, string>) => Promise<void>) {
  const form = useRef<HTMLFormElement>(null)
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<unknown>(null)

  async function submit(event: FormEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault()
    const texts = textsIn(event.currentTarget)
    // Spaces belong to a password.
    const password = new FormData(event.currentTarget).get('password')
    setBusy(true)
    setProblem(null)
    try {
      await work({ ...texts, password: String(password ?? '') })
    } catch (error) {
      setProblem(error)
      focusFirstError(form.current)
    } finally {
      setBusy(false)
    }
  }

  return { form, busy, submit, errors: wrongFields(problem), said: problem ? said(problem) : '' }
}

function said(problem: unknown): string {
  const key = `sign.${(problem as Partial<ProblemError>).code}`
  return key in checkoutEn ? c(key as keyof typeof checkoutEn) : capital(reason(problem))
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

function useLeave(): void {
  const { to } = useSearch({ strict: false }) as { to?: string }
  const navigate = useNavigate()
  const session = useSession()
  useEffect(() => {
    if (session) void navigate({ to: safePath(to), replace: true })
  }, [session, to, navigate])
}

export function SignIn(): ReactNode {
  usePage(c('sign.in'), null)
  useLeave()
  const search = useSearch({ from: '/sign-in' })
  const { form, busy, submit, said } = useSigning(({ email = '', password = '' }) => signIn(email, password))
  return (
    <div className="narrow">
      <Heading>{c('sign.in')}</Heading>
      <form ref={form} onSubmit={(event) => void submit(event)} className="stack">
        <p role="alert" className={said ? 'panel panel--no' : 'unseen'}>
          {said}
        </p>
        <Field label={c('sign.email')} name="email" type="email" autoComplete="username" />
        <Field label={c('sign.password')} name="password" type="password" autoComplete="current-password" />
        <button type="submit" className="button" disabled={busy}>
          {busy ? t('form.wait') : c('sign.in')}
        </button>
      </form>
      <p>
        {c('sign.new')}{' '}
        <Link to="/sign-up" search={search}>
          {c('sign.up')}
        </Link>
      </p>
    </div>
  )
}

export function SignUp(): ReactNode {
  usePage(c('sign.up'), null)
  useLeave()
  const search = useSearch({ from: '/sign-up' })
  const { form, busy, submit, errors, said } = useSigning(async ({ email = '', password = '', name = '' }) => {
    await call('post', '/v1/users', { body: { email, password, name } })
    await signIn(email, password)
  })
  return (
    <div className="narrow">
      <Heading>{c('sign.up')}</Heading>
      <form ref={form} onSubmit={(event) => void submit(event)} className="stack">
        <p role="alert" className={said ? 'panel panel--no' : 'unseen'}>
          {said}
        </p>
        <Field label={c('sign.name')} name="name" autoComplete="name" maxLength={100} error={errors.name} />
        <Field label={c('sign.email')} name="email" type="email" autoComplete="username" error={errors.email} />
        <Field label={c('sign.password')} name="password" type="password" autoComplete="new-password" minLength={8} hint={c('sign.passwordHint')} error={errors.password} />
        <button type="submit" className="button" disabled={busy}>
          {busy ? t('form.wait') : c('sign.up')}
        </button>
      </form>
      <p>
        {c('sign.known')}{' '}
        <Link to="/sign-in" search={search}>
          {c('sign.in')}
        </Link>
      </p>
    </div>
  )
}
