/** Books as they stand on shelves and in lists. */

import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { authorsOf, type Book } from '../api/catalog'
import { htmlLang, money, t } from '../i18n'

/** Covers are drawn at this size, so nothing moves while they come. */
export const COVER = { width: 300, height: 450 }

export function Cover({ isbn, title, eager = false, silent = false }: {
  isbn: string
  title: string
  eager?: boolean
  silent?: boolean
}): ReactNode {
  return (
    <img
      className="cover"
      src={`/v1/books/${isbn}/cover.svg`}
      alt={silent ? '' : t('book.cover', { title })}
      width={COVER.width}
      height={COVER.height}
      loading={eager ? 'eager' : 'lazy'}
      decoding="async"
    />
  )
}

export function Price({ book }: { book: Book }): ReactNode {
  if (!book.price || !book.for_sale) return <span className="price price--none">{t('book.notForSale')}</span>
  return (
    <span className="price">
      {money(book.price)}
      {!book.available && <span className="price__out"> {t('book.soldOut')}</span>}
    </span>
  )
}

/** One book, as a card: the whole card leads to its page. */
export function BookCard({ book, eager = false, level = 3 }: { book: Book; eager?: boolean; level?: 2 | 3 }): ReactNode {
  const Title = `h${level}` as const
  return (
    <article className="card" lang={htmlLang(book.language)}>
      <Cover isbn={book.isbn} title={book.title} eager={eager} silent />
      <Title className="card__title">
        <Link to="/books/$isbn" params={{ isbn: book.isbn }}>
          {book.title}
        </Link>
      </Title>
      <p className="card__author">{authorsOf(book).join(', ') || '\u00a0'}</p>
      <p className="card__price" lang="en">
        <Price book={book} />
      </p>
    </article>
  )
}
