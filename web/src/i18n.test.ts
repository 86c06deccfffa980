import { afterEach, expect, test, vi } from 'vitest'
import { searchOf } from './api/catalog'
import { minorUnits, money, t, textsOf } from './i18n'
import { checkoutEn } from './messages/checkout.en'
import { safePath } from './pages/sign'

afterEach(() => vi.restoreAllMocks())

function reading(language: string): void {
  vi.spyOn(navigator, 'language', 'get').mockReturnValue(language)
}

test('prices are written as their reader writes them, from minor units', () => {
  reading('en-GB')
  expect(money({ amount: 1299, currency: 'EUR' })).toBe('€12.99')
  expect(money({ amount: 500, currency: 'JPY' })).toBe('JP¥500')
  expect(money({ amount: 1500, currency: 'KWD' }).replace(/\s/, ' ')).toBe('KWD 1.500')
  reading('de-AT')
  expect(money({ amount: 1299, currency: 'EUR' }).replace(/\s/, ' ')).toBe('€ 12,99')
})

test('prices that are typed become minor units, exactly', () => {
  expect(minorUnits('12.99', 'EUR')).toBe(1299)
  expect(minorUnits('12,9', 'EUR')).toBe(1290)
  expect(minorUnits('12', 'EUR')).toBe(1200)
  expect(minorUnits('500', 'JPY')).toBe(500)
  for (const text of ['', 'twelve', '1.999', '-1', '1e3']) expect(minorUnits(text, 'EUR'), text).toBeUndefined()
  expect(minorUnits('1.5', 'JPY')).toBeUndefined()
})

test('one book, two books', () => {
  reading('en-GB')
  expect(t('search.count', { n: 1 })).toBe('1 book')
  expect(t('search.count', { n: 1561 })).toBe('1,561 books')
})

test('what a text names is there', () => {
  const c = textsOf(checkoutEn)
  expect(c('checkout.left', { title: 'Emma', n: 2 })).toBe('Emma: 2 copies are left')
})

test('an address makes a search, and what does not fit in it is left out', () => {
  expect(searchOf({ q: ' emma ', available: 'true', price_min: '100', sort: 'price' })).toEqual({
    q: 'emma', available: true, price_min: 100, sort: 'price',
  })
  expect(searchOf({ q: ' ', available: 'perhaps', price_max: '-1', sort: 'best', colour: 'red' })).toEqual({})
})

test('signing in leads to pages of this shop alone', () => {
  expect(safePath('/checkout')).toBe('/checkout')
  for (const to of [undefined, '', '//evil.example', '/\\evil.example', 'https://evil.example', 'javascript:alert(1)']) {
    expect(safePath(to), to).toBe('/account')
  }
})
