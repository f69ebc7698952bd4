import type { XStatic } from 'typebox/schema'

/** `true` if a schema describes exactly a type, else `never`. */
export type Describes<Schema, Type> = Identical<XStatic<Schema>, Type>

/** Also compares optional members, which `extends` alone does not. */
type Identical<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : never
