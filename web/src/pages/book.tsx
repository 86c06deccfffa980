import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { Fragment, type ReactNode } from 'react'
import { authorsOf, type Book, book as bookQuery, shelf } from '../api/catalog'
import { ProblemError } from '../api/problem'
import { addToCart, useCart } from '../cart/store'
import { formatName, htmlLang, languageName, money, number, t } from '../i18n'
import { BookCard, Cover } from '../ui/books'
import { Failed, Heading, Status, usePage } from '../ui/page'
import { Missing } from '../ui/missing'

export function BookPage(): ReactNode {
  const { isbn } = useParams({ from: '/books/$isbn' })
  const { data: book, error, refetch } = useQuery(bookQuery(isbn))
  if (error instanceof ProblemError && error.problem.status < 500) return <Missing title={t('book.unknown')} />
  if (error) return <Failed again={() => void refetch()} />
  return book ? <Shown key={book.isbn} book={book} /> : <div className="book book--waiting" />
}

function Shown({ book }: { book: Book }): ReactNode {
  const subject = book.subjects[0]
  const authors = authorsOf(book).join(', ')
  usePage(authors ? t('book.by', { title: book.title, authors }) : book.title, `/books/${book.isbn}`)
  return (
    <>
      <article className="book">
        <div className="book__cover">
          <Cover isbn={book.isbn} title={book.title} eager />
        </div>
        <div className="book__text">
          <div lang={htmlLang(book.language)}>
            <Heading>{book.title}</Heading>
            {book.subtitle && <p className="book__subtitle">{book.subtitle}</p>}
          </div>
          <p className="book__people">
            <People book={book} />
          </p>
          <Buy book={book} />
          {book.description && (
            <p className="book__description" lang={htmlLang(book.language)}>
              {book.description}
            </p>
          )}
          <h2 className="book__details">{t('book.details')}</h2>
          <Details book={book} />
        </div>
      </article>
      {subject && <More subject={subject} isbn={book.isbn} />}
    </>
  )
}

function People({ book }: { book: Book }): ReactNode {
  return book.contributors.map(({ name, role }, index) => (
    <Fragment key={`${name} ${role}`}>
      {index > 0 && ', '}
      <Link to="/search" search={{ author: name }}>
        {role === 'author' ? name : t('book.role', { name, role })}
      </Link>
    </Fragment>
  ))
}

function Buy({ book }: { book: Book }): ReactNode {
  const cart = useCart()
  const inCart = cart.lines.find((line) => line.isbn === book.isbn)?.quantity ?? 0
  const { price } = book
  const sold = book.for_sale && price
  const stand = !sold ? t('book.notForSale') : book.available ? t('book.available') : t('book.soldOut')
  return (
    <div className="buy">
      <p className="buy__price">
        {sold && (
          <>
            <strong>{money(price)}</strong> <span className="quiet">{t('book.vat')}</span>
          </>
        )}
        <span className="buy__stand" data-available={book.available}>
          {stand}
        </span>
      </p>
      {sold && (
        <p className="buy__row">
          <button
            type="button"
            className="button"
            disabled={!book.available}
            onClick={() => addToCart(book.isbn, book.title, price, 1)}
          >
            {t('book.add')}
          </button>
          {inCart > 0 && (
            <span className="buy__in">
              {t('book.added', { n: inCart })} · <Link to="/cart">{t('book.toCart')}</Link>
            </span>
          )}
        </p>
      )}
      <Status>{inCart > 0 ? t('book.added', { n: inCart }) : ''}</Status>
    </div>
  )
}

function Details({ book }: { book: Book }): ReactNode {
  const rows: [string, ReactNode][] = [
    [t('book.isbn'), book.isbn],
    [t('book.year'), book.year],
    [t('book.publisher'), book.publisher],
    [t('book.pages'), book.pages && number(book.pages)],
    [t('book.language'), book.language && languageName(book.language)],
    [t('book.format'), book.format && formatName(book.format)],
    [t('book.subjects'), book.subjects.length > 0 && <Subjects book={book} />],
  ]
  return (
    <dl className="facts">
      {rows.map(([name, value]) => value && (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}

function Subjects({ book }: { book: Book }): ReactNode {
  return book.subjects.map(({ code, name }, index) => (
    <Fragment key={name}>
      {index > 0 && ', '}
      <Link to="/search" search={{ subject: code || name }}>
        {name}
      </Link>
    </Fragment>
  ))
}

function More({ subject, isbn }: { subject: Book['subjects'][number]; isbn: string }): ReactNode {
  const { data } = useQuery(shelf(subject.code || subject.name))
  const others = data?.items.filter((each) => each.isbn !== isbn) ?? []
  if (data && others.length === 0) return null
  return (
    <section className="shelf" aria-labelledby="more">
      <div className="shelf__head">
        <h2 id="more">{t('book.more', { subject: subject.name })}</h2>
      </div>
      <ul className="shelf__row">
        {others.map((each) => (
          <li key={each.isbn}>
            <BookCard book={each} />
          </li>
        ))}
      </ul>
    </section>
  )
}
