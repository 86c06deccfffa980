/** What the pages ask of the catalogue, as queries that are kept and shared. */

import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query'
import { call, type Schemas } from './client'

export type Book = Schemas['BookView']
export type BookList = Schemas['BookList']

export const SHELVES = 6
const SHELF_BOOKS = 8
const PAGE_BOOKS = 24
const PRICE_MAX = 2 ** 31 - 1

export const SORTS = ['relevance', 'popularity', 'title', 'price', '-price', 'year', '-year', 'newest'] as const
export type Sort = (typeof SORTS)[number]

/** What is searched for, as it stands in the address. */
export type Search = {
  q?: string
  subject?: string
  author?: string
  language?: string
  format?: string
  price_min?: number
  price_max?: number
  available?: boolean
  sort?: Sort
}

export const subjects = queryOptions({
  queryKey: ['subjects'],
  queryFn: () => call('get', '/v1/subjects', {}),
  staleTime: 60_000,
})

/** The books that stand on a subject's shelf; app/routes/shop asks for the same. */
export const shelf = (subject: string) =>
  queryOptions({
    queryKey: ['shelf', subject],
    queryFn: () => call('get', '/v1/books', { query: { subject, available: true, limit: SHELF_BOOKS } }),
  })

export const book = (isbn: string) =>
  queryOptions({
    queryKey: ['book', isbn],
    queryFn: () => call('get', '/v1/books/{isbn}', { path: { isbn } }),
  })

export const suggestions = (q: string) =>
  queryOptions({
    queryKey: ['suggest', q],
    queryFn: ({ signal }) => call('get', '/v1/books/suggest', { query: { q }, signal }),
    enabled: q.length > 0,
    staleTime: 60_000,
  })

export const found = (search: Search) =>
  infiniteQueryOptions({
    queryKey: ['found', search],
    queryFn: ({ pageParam }) =>
      call('get', '/v1/books', { query: { ...search, limit: PAGE_BOOKS, cursor: pageParam } }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page: BookList) => page.next_cursor ?? undefined,
  })

const NOTHING: Search = {
  q: undefined, subject: undefined, author: undefined, language: undefined, format: undefined,
  price_min: undefined, price_max: undefined, available: undefined, sort: undefined,
}

/**
 * Search parameters as they come from an address. What does not fit is undefined and not left out, because the router lays
 * this over the address's own.
 */
export function searchOf(raw: Record<string, unknown>): Search {
  const search: Search = { ...NOTHING }
  for (const name of ['q', 'subject', 'author', 'language', 'format'] as const) {
    const value = raw[name]
    if (typeof value === 'string' && value.trim()) search[name] = value.trim().slice(0, 200)
  }
  for (const name of ['price_min', 'price_max'] as const) {
    const value = raw[name]
    if (value !== undefined && value !== '' && Number.isInteger(Number(value)) && Number(value) >= 0 && Number(value) <= PRICE_MAX) {
      search[name] = Number(value)
    }
  }
  if (String(raw.available) === 'true' || String(raw.available) === 'false') search.available = String(raw.available) === 'true'
  if (SORTS.includes(raw.sort as Sort) && raw.sort !== 'relevance') search.sort = raw.sort as Sort
  return search
}

export function authorsOf(book: Book): string[] {
  return book.contributors.filter((each) => each.role === 'author').map((each) => each.name)
}
