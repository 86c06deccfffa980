/** Form fields with their labels, hints and errors tied to them. */

import { type InputHTMLAttributes, type ReactNode, type SelectHTMLAttributes, useId } from 'react'
import type { ProblemError } from '../api/problem'
import { t } from '../i18n'

type Common = { label: string; error?: string | undefined; hint?: string; optional?: boolean }

function Frame({ id, label, error, hint, optional, children }: Common & { id: string; children: ReactNode }): ReactNode {
  return (
    <div className={error ? 'field field--wrong' : 'field'}>
      <label htmlFor={id}>
        {label}
        {optional && <span className="field__optional"> {t('form.optional')}</span>}
      </label>
      {children}
      {hint && <p id={`${id}-hint`} className="field__hint">{hint}</p>}
      {error && <p id={`${id}-error`} className="field__error">{error}</p>}
    </div>
  )
}

function described(id: string, { error, hint }: Common): string | undefined {
  return [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(' ') || undefined
}

export function Field(props: Common & InputHTMLAttributes<HTMLInputElement>): ReactNode {
  const { label, error, hint, optional, ...input } = props
  const id = useId()
  return (
    <Frame id={id} label={label} error={error} {...(hint ? { hint } : {})} optional={optional ?? false}>
      <input id={id} required={!optional} aria-invalid={error ? true : undefined} aria-describedby={described(id, props)} {...input} />
    </Frame>
  )
}

export function Choice(props: Common & SelectHTMLAttributes<HTMLSelectElement>): ReactNode {
  const { label, error, hint, optional, children, ...select } = props
  const id = useId()
  return (
    <Frame id={id} label={label} error={error} {...(hint ? { hint } : {})} optional={optional ?? false}>
      <select id={id} required={!optional} aria-invalid={error ? true : undefined} aria-describedby={described(id, props)} {...select}>
        {children}
      </select>
    </Frame>
  )
}

/** The text fields of a form, without spaces round them. */
export function textsIn(form: HTMLFormElement): Record<string, string> {
  const found: Record<string, string> = {}
  for (const [name, value] of new FormData(form)) if (typeof value === 'string') found[name] = value.trim()
  return found
}

/** What to say of each field that the shop did not take, by its last name: shipping_address.city is city. */
export function wrongFields(error: unknown): Record<string, string> {
  const errors = (error as Partial<ProblemError> | null)?.problem?.errors ?? []
  return Object.fromEntries(errors.map(({ field }) => [field.split('.').at(-1) ?? field, t('form.wrong')]))
}

/** Moves the focus to the first field that is wrong. */
export function focusFirstError(form: HTMLFormElement | null): void {
  requestAnimationFrame(() => form?.querySelector<HTMLElement>('[aria-invalid]')?.focus())
}
