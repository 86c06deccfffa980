import { useQueries, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { type Book, type BookList, SHELVES, shelf, subjects } from '../api/catalog'
import type { Schemas } from '../api/client'
import { number, t } from '../i18n'
import { BookCard, Cover } from '../ui/books'
import { Failed, Heading, usePage } from '../ui/page'

const FAN = 3 // covers beside the first words; the edge leaves them out, so that the first paint is not theirs

/** A shelf's book for the fan: one in the shop's own language. */
function inFront(books: Book[]): Book | undefined {
  return books.find((book) => book.language === 'eng')
}

export function Home(): ReactNode {
  usePage(null, '/')
  const all = useQuery(subjects)
  const items = all.data?.items.slice(0, SHELVES) ?? []
  const shelves = useQueries({ queries: items.map((subject) => shelf(subject.value)) })
  if (all.isError) return <Failed again={() => void all.refetch()} />
  return (
    <>
      <div className="hero">
        <div className="hero__text">
          <Heading>{t('shop.claim')}</Heading>
          <p>{t('shop.lead')}</p>
        </div>
        <div className="hero__fan">
          {shelves.slice(1).flatMap((each) => inFront(each.data?.items ?? []) ?? []).slice(0, FAN).map((book) => (
            <Link key={book.isbn} to="/books/$isbn" params={{ isbn: book.isbn }}>
              <Cover isbn={book.isbn} title={book.title} />
            </Link>
          ))}
        </div>
      </div>
      {items.map((subject, index) => (
        <Shelf key={subject.value} subject={subject} list={shelves[index]?.data} eager={index === 0} />
      ))}
    </>
  )
}

function Shelf({ subject, list, eager }: {
  subject: Schemas['SubjectCount']
  list: BookList | undefined
  eager: boolean
}): ReactNode {
  const heading = `shelf-${subject.value}`
  return (
    <section className="shelf" aria-labelledby={heading}>
      <div className="shelf__head">
        <h2 id={heading}>{subject.name}</h2>
        <Link to="/search" search={{ subject: subject.value }} aria-label={t('shelf.allOf', { n: subject.count, subject: subject.name })}>
          {t('shelf.all', { n: number(subject.count) })}
        </Link>
      </div>
      <ul className="shelf__row">
        {list?.items.map((book) => (
          <li key={book.isbn}>
            <BookCard book={book} eager={eager} />
          </li>
        ))}
      </ul>
    </section>
  )
}
