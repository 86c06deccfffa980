/** What every page has: its title, its canonical link, and a heading that takes the focus after a navigation. */

import { useEffect, useRef, type ReactNode } from 'react'
import { t } from '../i18n'

let navigations = 0

export function navigated(): void {
  navigations += 1
}

/**
 * Sets the document's title and canonical link. `title` null is the shop's own; `canonical` is a path, null for a page
 * that is no search engine's.
 */
export function usePage(title: string | null, canonical: string | null): void {
  useEffect(() => {
    document.title = title === null ? t('shop.title') : t('shop.titleOf', { title })
    document.querySelector('link[rel=canonical]')?.remove()
    if (canonical === null) return
    const link = document.createElement('link')
    link.rel = 'canonical'
    link.href = new URL(canonical, location.origin).href
    document.head.append(link)
  }, [title, canonical])
}

export function Heading({ children, className }: { children: ReactNode; className?: string }): ReactNode {
  const heading = useRef<HTMLHeadingElement>(null)
  useEffect(() => {
    if (navigations > 0) heading.current?.focus({ preventScroll: true })
  }, [])
  return (
    <h1 ref={heading} tabIndex={-1} className={className}>
      {children}
    </h1>
  )
}

/** Says something to those who listen, once it changes. */
export function Status({ children }: { children: ReactNode }): ReactNode {
  return (
    <p role="status" className="unseen">
      {children}
    </p>
  )
}

export function Failed({ again }: { again?: () => void }): ReactNode {
  usePage(t('page.failed'), null)
  return (
    <div className="narrow">
      <Heading>{t('page.failed')}</Heading>
      <p>{t('trouble.offlineNow')}</p>
      <button type="button" className="button" onClick={again ?? (() => location.reload())}>
        {t('page.again')}
      </button>
    </div>
  )
}
