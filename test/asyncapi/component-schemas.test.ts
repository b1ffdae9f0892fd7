import t from 'tap'
import { ComponentSchemas } from '../../lib/asyncapi/component-schemas.js'
import { pascalCase } from '../../lib/asyncapi/names.js'

const at = (name: string) => ({ $ref: `#/components/schemas/${name}` })

t.test('references by pointer, by name and by id become references to components', (t) => {
  const components = new ComponentSchemas()
  t.strictSame(components.add('pet.shop', {
    $schema: 'http://json-schema.org/draft-07/schema#',
    $defs: { Pet: { $id: 'Pet', type: 'object', properties: { young: { type: 'array', items: { $ref: 'Pet' } } } } },
    definitions: { 'a/b c': { anyOf: [true, { $ref: '#' }] } },
    properties: { pet: { $ref: '#/$defs/Pet' }, owner: { $ref: '#/definitions/a~1b%20c' }, first: { $ref: '#/properties/list/items/0' }, list: { items: [{ type: 'string' }] } },
    dependentSchemas: { pet: { $ref: 'Pet' } },
    additionalProperties: false
  }), at('PetShop'))
  t.strictSame(components.schemas, {
    PetShop: {
      properties: { pet: at('Pet'), owner: at('ABC'), first: at('Schema0'), list: { items: [{ type: 'string' }] } }, dependentSchemas: { pet: at('Pet') }, additionalProperties: false
    },
    Pet: { type: 'object', properties: { young: { type: 'array', items: at('Pet') } } },
    ABC: { anyOf: [true, at('PetShop')] },
    Schema0: { type: 'string' }
  })
  t.end()
})

t.test('a schema with an id of its own is one component, also where it allows anything', (t) => {
  const components = new ComponentSchemas()
  const point = { $id: 'Point', type: 'object', properties: { x: { type: 'number' }, note: true } }
  components.add('Line', { properties: { from: point, to: point } })
  t.strictSame(components.schemas, {
    Line: { properties: { from: at('Point'), to: at('Point') } }, Point: { type: 'object', properties: { x: { type: 'number' }, note: true } }
  })
  t.end()
})

t.test('an id that TypeBox made up gives way to the name of its owner', (t) => {
  const components = new ComponentSchemas()
  components.add('Save', { properties: { tree: { $id: 'T7', properties: { trees: { items: { $ref: 'T7' } } } } } })
  t.strictSame(components.schemas, { Save: { properties: { tree: { properties: { trees: { items: at('SaveNode') } } } } }, SaveNode: { properties: { trees: { items: at('SaveNode') } } } })
  t.end()
})

t.test('schemas with an id are one component if they are equal, and two of one name otherwise', (t) => {
  const components = new ComponentSchemas()
  const Mail = { $id: 'Mail', properties: { answers: { items: { $ref: 'Mail' } } } }
  for (const name of ['a', 'b']) components.add(name, { properties: { mail: Mail } })
  components.add('c', { properties: { mail: { $id: 'Mail', type: 'string' } } })
  t.strictSame(components.schemas.B, { properties: { mail: at('Mail') } })
  t.strictSame(components.schemas.C, { properties: { mail: at('Mail2') } })
  t.strictSame(components.schemas.Mail2, { type: 'string' })
  components.add('d', { $defs: { X: true }, properties: { mail: { $id: 'Letter', properties: { x: { $ref: 'X' } } } } })
  t.strictSame(components.schemas.D, { properties: { mail: { properties: { x: at('X') } } } }, 'one that needs another of its owner stays with it')
  t.end()
})

t.test('two parts of one schema may define the same name, and a pointer begins at the schema with an id around it', (t) => {
  const components = new ComponentSchemas()
  const part = (type: string) => ({ $defs: { Node: { type } }, items: { $ref: 'Node' } })
  components.add('a', { properties: { one: part('string'), two: part('number'), own: { $id: 'Own', $defs: { Node: { type: 'null' } }, not: { $ref: '#/$defs/Node' } } } })
  t.strictSame(components.schemas, {
    A: { properties: { one: { items: at('Node') }, two: { items: at('Node2') }, own: at('Own') } },
    Node: { type: 'string' },
    Node2: { type: 'number' },
    Own: { not: at('Node3') },
    Node3: { type: 'null' }
  })
  t.end()
})

t.test('what stands beside a reference is kept, since readers would ignore it', (t) => {
  const components = new ComponentSchemas()
  components.add('a', { $defs: { X: { minimum: 1 } }, $ref: '#/$defs/X', description: 'x', allOf: [{ maximum: 2 }] })
  t.strictSame(components.schemas.A, { description: 'x', allOf: [at('X'), { maximum: 2 }] })
  t.end()
})

t.test('a reference to nothing is described, and data is no schema', (t) => {
  const components = new ComponentSchemas()
  components.add('odd', { properties: { gone: { $ref: 'Gone' }, far: { $ref: '#/a/b' }, odd: { $ref: '100%' } }, default: { $ref: 'x', $id: 'y' }, enum: [{ $id: 'z' }] })
  t.strictSame(components.schemas, {
    Odd: { properties: { gone: { description: 'Not described here: Gone' }, far: { description: 'Not described here: #/a/b' }, odd: { description: 'Not described here: 100%' } }, default: { $ref: 'x', $id: 'y' }, enum: [{ $id: 'z' }] }
  })
  t.strictSame(components.add('never', false), at('Never'))
  t.equal(components.schemas.Never, false)
  t.end()
})

t.test('names have capitals, and begin with a letter', (t) => {
  t.strictSame(['chat.send', 'a-b_c', '1st', 'ü'].map(pascalCase), ['ChatSend', 'ABC', 'Schema1st', 'Schema'])
  t.end()
})
