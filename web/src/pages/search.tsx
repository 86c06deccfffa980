import { useInfiniteQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { type FormEvent, type ReactNode, useEffect, useState } from 'react'
import { type BookList, found, type Search, SORTS } from '../api/catalog'
import { formatName, languageName, minorDigits, minorUnits, money, number, t } from '../i18n'
import { BookCard } from '../ui/books'
import { textsIn } from '../ui/fields'
import { Failed, Heading, Status, usePage } from '../ui/page'

const FACETS = ['subject', 'author', 'language', 'format', 'available'] as const
const SHOWN = 7
const WIDE = '(min-width: 56rem)'
type Facets = BookList['facets']

export function SearchPage(): ReactNode {
  const search = useSearch({ from: '/search' })
  const title = search.q ? t('search.titleFor', { q: search.q }) : t('search.title')
  usePage(title, '/search')
  const { data, error, refetch, fetchNextPage, hasNextPage, isFetchingNextPage, isPlaceholderData } = useInfiniteQuery({
    ...found(search),
    placeholderData: (before) => before,
  })
  if (error && !data) return <Failed again={() => void refetch()} />
  const first = data?.pages[0]
  const books = data?.pages.flatMap((page) => page.items) ?? []
  const count = first ? t('search.count', { n: first.total }) : t('search.loading')
  return (
    <div className="results" data-waiting={isPlaceholderData}>
      <div className="results__head">
        <Heading>{title}</Heading>
        <p className="quiet">{count}</p>
        <Status>{isPlaceholderData ? t('search.loading') : count}</Status>
        <Sorting search={search} />
      </div>
      <Filters search={search} facets={first?.facets} currency={books.find((book) => book.price)?.price?.currency ?? 'EUR'} />
      <div className="results__books">
        <Chosen search={search} facets={first?.facets} />
        {first && books.length === 0 && <p>{t('search.none')}</p>}
        <ul className="grid">
          {books.map((book, index) => (
            <li key={book.isbn}>
              <BookCard book={book} level={2} eager={index < 6} />
            </li>
          ))}
        </ul>
        {hasNextPage && (
          <p className="results__more">
            <button type="button" className="button button--quiet" disabled={isFetchingNextPage} onClick={() => void fetchNextPage()}>
              {isFetchingNextPage ? t('search.loading') : t('search.more')}
            </button>
          </p>
        )}
      </div>
    </div>
  )
}

function Sorting({ search }: { search: Search }): ReactNode {
  const navigate = useNavigate()
  const sorts = SORTS.filter((sort) => sort !== (search.q ? 'popularity' : 'relevance'))
  return (
    <label className="sorting">
      {t('search.sort')}{' '}
      <select
        value={search.sort ?? sorts[0]}
        onChange={(event) => {
          const sort = event.target.value as (typeof SORTS)[number]
          void navigate({ to: '/search', search: { ...search, sort: sort === sorts[0] ? undefined : sort } as Search })
        }}
      >
        {sorts.map((sort) => (
          <option key={sort} value={sort}>
            {t(`sort.${sort}`)}
          </option>
        ))}
      </select>
    </label>
  )
}

type Name = (typeof FACETS)[number]

function label(name: Name, value: string | boolean, facets: Facets | undefined): string {
  if (name === 'available') return t(`available.${String(value) as 'true' | 'false'}`)
  if (name === 'language') return languageName(String(value))
  if (name === 'format') return formatName(String(value))
  return facets?.[name].find((each) => each.value === value)?.name ?? String(value)
}

function without(search: Search, name: keyof Search): Search {
  const { [name]: _gone, ...rest } = search
  return rest
}

function Chosen({ search, facets }: { search: Search; facets: Facets | undefined }): ReactNode {
  const chosen = FACETS.filter((name) => search[name] !== undefined)
  const priced = search.price_min !== undefined || search.price_max !== undefined
  if (chosen.length === 0 && !priced) return null
  return (
    <ul className="chosen">
      {chosen.map((name) => {
        const text = label(name, search[name] ?? '', facets)
        return (
          <li key={name}>
            <Link to="/search" search={without(search, name)} aria-label={t('search.without', { what: text })}>
              {text} <span aria-hidden="true">×</span>
            </Link>
          </li>
        )
      })}
      {priced && (
        <li>
          <Link to="/search" search={without(without(search, 'price_min'), 'price_max')} aria-label={t('search.without', { what: t('facet.price') })}>
            {t('facet.price')} <span aria-hidden="true">×</span>
          </Link>
        </li>
      )}
      <li>
        <Link to="/search" search={search.q ? { q: search.q } : {}}>
          {t('search.clear')}
        </Link>
      </li>
    </ul>
  )
}

function useWide(): boolean {
  const [wide, setWide] = useState(() => matchMedia(WIDE).matches)
  useEffect(() => {
    const query = matchMedia(WIDE)
    const change = () => setWide(query.matches)
    query.addEventListener('change', change)
    return () => query.removeEventListener('change', change)
  }, [])
  return wide
}

function Filters({ search, facets, currency }: { search: Search; facets: Facets | undefined; currency: string }): ReactNode {
  const wide = useWide()
  return (
    <details className="filters" open={wide}>
      <summary>{t('search.filters')}</summary>
      {FACETS.map((name) => (
        <Facet key={name} name={name} search={search} facets={facets} />
      ))}
      <Prices search={search} currency={currency} />
    </details>
  )
}

function Facet({ name, search, facets }: { name: Name; search: Search; facets: Facets | undefined }): ReactNode {
  const [all, setAll] = useState(false)
  const values = facets?.[name] ?? []
  if (values.length === 0) return null
  return (
    <section aria-labelledby={`facet-${name}`}>
      <h2 id={`facet-${name}`}>{t(`facet.${name}`)}</h2>
      <ul>
        {values.slice(0, all ? undefined : SHOWN).map(({ value, count }) => {
          const chosen = search[name] === value
          return (
            <li key={String(value)}>
              <Link
                to="/search"
                search={chosen ? without(search, name) : ({ ...search, [name]: value } as Search)}
                aria-current={chosen ? 'true' : undefined}
                resetScroll={false}
              >
                {label(name, value, facets)} <span className="quiet">{number(count)}</span>
              </Link>
            </li>
          )
        })}
      </ul>
      {!all && values.length > SHOWN && (
        <button type="button" className="link" onClick={() => setAll(true)} aria-label={`${t('search.moreOf')}: ${t(`facet.${name}`)}`}>
          {t('search.moreOf')}
        </button>
      )}
    </section>
  )
}

function Prices({ search, currency }: { search: Search; currency: string }): ReactNode {
  const navigate = useNavigate()
  const shown = (amount: number | undefined) => (amount === undefined ? '' : String(amount / 10 ** minorDigits(currency)))

  function submit(event: FormEvent<HTMLFormElement>): void {
    event.preventDefault()
    const texts = textsIn(event.currentTarget)
    const next = without(without(search, 'price_min'), 'price_max')
    const [min, max] = [minorUnits(texts.min ?? '', currency), minorUnits(texts.max ?? '', currency)]
    if (min !== undefined) next.price_min = min
    if (max !== undefined) next.price_max = max
    void navigate({ to: '/search', search: next })
  }

  const hint = money({ amount: 0, currency }).replace(/[\d.,\s\u00a0]/g, '')
  return (
    <section aria-labelledby="facet-price">
      <h2 id="facet-price">{t('facet.price')}</h2>
      <form className="prices" onSubmit={submit} key={`${search.price_min} ${search.price_max}`}>
        <input name="min" inputMode="decimal" size={4} aria-label={`${t('search.priceFrom')} (${hint})`} defaultValue={shown(search.price_min)} />
        <span aria-hidden="true">–</span>
        <input name="max" inputMode="decimal" size={4} aria-label={`${t('search.priceTo')} (${hint})`} defaultValue={shown(search.price_max)} />
        <button type="submit" className="button button--quiet">
          {t('search.apply')}
        </button>
      </form>
    </section>
  )
}
