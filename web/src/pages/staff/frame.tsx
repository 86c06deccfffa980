import { Link, Outlet } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { textsOf } from '../../i18n'
import { staffEn } from '../../messages/staff.en'
import { useSignedIn } from '../../session/use'
import { Missing } from '../../ui/missing'

const s = textsOf(staffEn)

export function StaffFrame(): ReactNode {
  const session = useSignedIn()
  if (!session) return null
  if (!session.user.roles.includes('staff')) return <Missing title={s('staff.needed')} lead={s('staff.neededLead')} />
  return (
    <div className="account">
      <nav className="tabs" aria-label={s('staff.title')}>
        <Link to="/staff/orders">{s('staff.orders')}</Link>
        <Link to="/staff/stock">{s('staff.stock')}</Link>
        <Link to="/staff/import">{s('staff.import')}</Link>
        <Link to="/staff/dead">{s('staff.dead')}</Link>
      </nav>
      <Outlet />
    </div>
  )
}
