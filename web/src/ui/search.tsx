/** The search field with its suggestions: a combobox as the ARIA Authoring Practices describe it. */

import { useQuery } from '@tanstack/react-query'
import { useNavigate, useRouterState } from '@tanstack/react-router'
import { type FormEvent, type KeyboardEvent, type ReactNode, useEffect, useId, useRef, useState } from 'react'
import { suggestions } from '../api/catalog'
import { foundEarly } from '../early'
import { t } from '../i18n'

const PAUSE_MS = 120

export function SearchField(): ReactNode {
  const navigate = useNavigate()
  const asked = useRouterState({ select: (state) => (state.location.search as { q?: string }).q ?? '' })
  const field = useRef<HTMLInputElement>(null)
  const [early] = useState(foundEarly)
  const [text, setText] = useState(early.text || asked)
  const [typed, setTyped] = useState('')
  const [active, setActive] = useState(-1)
  const list = useId()
  const items = useQuery(suggestions(typed)).data?.items ?? []
  const open = typed !== '' && items.length > 0

  const before = useRef(asked)
  useEffect(() => {
    if (before.current !== asked) setText(asked)
    before.current = asked
  }, [asked])
  useEffect(() => {
    if (early.focused) field.current?.focus()
  }, [early])
  useEffect(() => {
    const timer = setTimeout(() => setTyped((now) => (now === '' && text === asked ? '' : text.trim())), PAUSE_MS)
    return () => clearTimeout(timer)
  }, [text, asked])

  function close(): void {
    setTyped('')
    setActive(-1)
  }

  function choose(index: number): void {
    const item = items[index]
    if (!item) return
    close()
    if (item.type === 'title' && item.isbn) {
      setText('')
      void navigate({ to: '/books/$isbn', params: { isbn: item.isbn } })
    } else void navigate({ to: '/search', search: { author: item.text } })
  }

  function submit(event: FormEvent): void {
    event.preventDefault()
    const chosen = active
    if (open && chosen >= 0) return choose(chosen)
    close()
    void navigate({ to: '/search', search: text.trim() ? { q: text.trim() } : {} })
  }

  function onKey(event: KeyboardEvent): void {
    if (event.key === 'Escape') return close()
    if (!open || (event.key !== 'ArrowDown' && event.key !== 'ArrowUp')) return
    event.preventDefault()
    const step = event.key === 'ArrowDown' ? 1 : -1
    // One place before the first suggestion is the field itself.
    const places = items.length + 1
    setActive((now) => ((now + 1 + step + places) % places) - 1)
  }

  return (
    <search className="find">
      <form onSubmit={submit} onBlur={(event) => !event.currentTarget.contains(event.relatedTarget) && close()}>
        <input
          ref={field}
          type="search"
          name="q"
          role="combobox"
          aria-label={t('search.label')}
          aria-expanded={open}
          aria-controls={list}
          aria-autocomplete="list"
          aria-activedescendant={open && active >= 0 ? `${list}-${active}` : undefined}
          autoComplete="off"
          spellCheck={false}
          maxLength={200}
          placeholder={t('search.placeholder')}
          value={text}
          onChange={(event) => {
            setText(event.target.value)
            setActive(-1)
          }}
          onKeyDown={onKey}
        />
        <button type="submit" className="find__go">
          {t('search.submit')}
        </button>
        <ul id={list} role="listbox" aria-label={t('search.suggestions')} className="find__list" hidden={!open}>
          {items.map((item, index) => (
            <li
              key={`${item.type} ${item.isbn ?? item.text}`}
              id={`${list}-${index}`}
              role="option"
              aria-selected={index === active}
              onPointerDown={(event) => event.preventDefault()}
              onClick={() => choose(index)}
            >
              <span>{item.text}</span>
              <span className="find__by">
                {item.type === 'author' ? t('search.author') : item.author ? t('search.by', { author: item.author }) : ''}
              </span>
            </li>
          ))}
        </ul>
      </form>
    </search>
  )
}
