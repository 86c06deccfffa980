/** An address, typed in. */

import type { ReactNode } from 'react'
import type { Schemas } from '../api/client'
import { countryName, textsOf, locale } from '../i18n'
import { checkoutEn } from '../messages/checkout.en'
import { Choice, Field } from './fields'

const c = textsOf(checkoutEn)

export type Address = Schemas['AddressInput']

// ISO 3166-1 alpha-2; the names come from the browser.
const CODES =
  'AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW'

const countries = CODES.split(' ')
  .map((code) => ({ code, name: countryName(code) }))
  .sort((one, other) => one.name.localeCompare(other.name, 'en'))

/** The reader's country, if the browser tells. */
function guessed(): string {
  return new Intl.Locale(locale()).region ?? ''
}

export function AddressFields({ address, errors }: { address?: Partial<Address>; errors: Record<string, string> }): ReactNode {
  const field = (name: keyof Address, autoComplete: string, more = {}) => (
    <Field
      label={c(`address.${name}`)}
      name={name}
      autoComplete={`shipping ${autoComplete}`}
      defaultValue={address?.[name] ?? ''}
      maxLength={200}
      error={errors[name]}
      {...more}
    />
  )
  return (
    <>
      {field('name', 'name')}
      {field('line1', 'address-line1')}
      {field('line2', 'address-line2', { optional: true })}
      <div className="field-row">
        {field('postal_code', 'postal-code', { maxLength: 20 })}
        {field('city', 'address-level2')}
      </div>
      <Choice label={c('address.country')} name="country" autoComplete="shipping country" defaultValue={address?.country ?? guessed()} error={errors.country}>
        <option value="" />
        {countries.map(({ code, name }) => (
          <option key={code} value={code}>
            {name}
          </option>
        ))}
      </Choice>
    </>
  )
}

export function addressIn(texts: Record<string, string>): Address {
  const { name = '', line1 = '', line2 = '', city = '', postal_code = '', country = '' } = texts
  return { name, line1, ...(line2 ? { line2 } : {}), city, postal_code, country }
}

export function AddressText({ address }: { address: Schemas['OrderAddress'] }): ReactNode {
  return (
    <address>
      {address.name}
      <br />
      {address.line1}
      <br />
      {address.line2 && (
        <>
          {address.line2}
          <br />
        </>
      )}
      {address.postal_code} {address.city}
      <br />
      {countryName(address.country)}
    </address>
  )
}
