/** Texts, prices and dates. The shop speaks English; numbers and dates follow the reader's browser. */

import { en, type Message } from './messages/en'
import type { ProblemError } from './api/problem'

export type Money = { amount: number; currency: string }
type Values = Record<string, string | number>

const plural = new Intl.PluralRules('en')

export function locale(): string {
  return navigator.language || 'en'
}

function filled(message: Message, values: Values): string {
  const text = typeof message === 'string' ? message : message[plural.select(Number(values.n)) === 'one' ? 'one' : 'other']
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name]
    return value === undefined ? whole : typeof value === 'number' ? value.toLocaleString(locale()) : value
  })
}

/** A dictionary's texts, by key. */
export function textsOf<K extends string>(dictionary: Record<K, Message>): (key: K, values?: Values) => string {
  return (key, values = {}) => filled(dictionary[key], values)
}

export const t = textsOf(en)

const moneyFormats = new Map<string, Intl.NumberFormat>()

/** An amount in minor units, as the reader writes money: 1299 EUR is €12.99, 500 JPY is ¥500. */
export function money({ amount, currency }: Money): string {
  const key = `${locale()} ${currency}`
  const format = moneyFormats.get(key) ?? new Intl.NumberFormat(locale(), { style: 'currency', currency })
  moneyFormats.set(key, format)
  return format.format(amount / 10 ** minorDigits(currency))
}

/** How many decimals a currency has. */
export function minorDigits(currency: string): number {
  return new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions().maximumFractionDigits ?? 2
}

/** What somebody typed as a price, in minor units; undefined for what is no price. */
export function minorUnits(text: string, currency: string): number | undefined {
  const plain = text.trim().replace(',', '.')
  const digits = minorDigits(currency)
  const match = /^(\d{1,9})(?:\.(\d+))?$/.exec(plain)
  if (!match || (match[2]?.length ?? 0) > digits) return undefined
  return Number(match[1]) * 10 ** digits + Number((match[2] ?? '').padEnd(digits, '0') || 0)
}

export function dateAndTime(at: string): string {
  return new Date(at).toLocaleString(locale(), { dateStyle: 'medium', timeStyle: 'short' })
}

export function day(at: string): string {
  return new Date(at).toLocaleDateString(locale(), { dateStyle: 'long' })
}

export function number(value: number): string {
  return value.toLocaleString(locale())
}

/** A book's language as HTML names it: ISO 639's three letters become two where there are two. */
export function htmlLang(code: string | null): string | undefined {
  if (!code) return undefined
  try {
    return Intl.getCanonicalLocales(code)[0]
  } catch {
    return undefined // no language that a browser knows
  }
}

/** How a book is bound, in words; what the shop has no word for is shown as it is. */
export function formatName(format: string): string {
  const key = `format.${format.toLowerCase()}`
  return key in en ? t(key as keyof typeof en) : format
}

/** A language's name from its ISO 639 code. */
export function languageName(code: string): string {
  return named('language', code)
}

export function countryName(code: string): string {
  return named('region', code)
}

function named(type: 'language' | 'region', code: string): string {
  try {
    return new Intl.DisplayNames('en', { type }).of(code) ?? code
  } catch {
    return code // no such code: shown as it is
  }
}

/** Why something did not happen, as the end of a sentence. */
export function reason(error: unknown): string {
  const code = (error as Partial<ProblemError>).code
  const key = `problem.${code}` as keyof typeof en
  if (code && key in en) return t(key)
  const detail = (error as Partial<ProblemError>).problem?.detail
  return detail || t('problem.network')
}
