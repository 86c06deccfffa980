import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { t } from '../i18n'
import { Heading, usePage } from './page'

/** A page that is not there, or not for this reader. */
export function Missing({ title = t('page.missing'), lead = t('page.missingLead'), children }: {
  title?: string
  lead?: string
  children?: ReactNode
}): ReactNode {
  usePage(title, null)
  return (
    <div className="narrow">
      <Heading>{title}</Heading>
      <p>{lead}</p>
      <p className="panel__row">
        {children}
        <Link to="/" className="button button--quiet">
          {t('page.home')}
        </Link>
      </p>
    </div>
  )
}
