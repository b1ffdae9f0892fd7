import ts from 'typescript'

const { SyntaxKind: Kind } = ts

/** Replacements of each comparison: its opposite, and its neighbour, which differs at the bound alone. */
const COMPARISONS = new Map([
  ['<', ['>=', '<=']], ['<=', ['>', '<']], ['>', ['<=', '>=']], ['>=', ['<', '>']],
  ['===', ['!==']], ['!==', ['===']], ['==', ['!=']], ['!=', ['==']]
])
const ARITHMETIC = new Map([['+', '-'], ['-', '+'], ['*', '/'], ['/', '*'], ['%', '*'], ['+=', '-='], ['-=', '+='], ['**', '*']])
const STEPS = new Map([['++', '--'], ['--', '++']])
const LOGIC = new Map([['&&', '||'], ['||', '&&']])
/** Lines for developers; no test says which there are. */
const isDebugLine = (call) => /\blog\.(debug|trace)\(/.test(call)

/**
 * Makes every small fault that one change can put into a file of JavaScript.
 *
 * @param {string} file its name, for the report
 * @param {string} source
 * @returns {{ file: string, line: number, start: number, end: number, kind: string, before: string, after: string }[]} `start` and `end`
 *   are what `after` takes the place of
 */
export function mutationsOf (file, source) {
  const tree = ts.createSourceFile(file, source, ts.ScriptTarget.ES2023, true, ts.ScriptKind.JS)
  const found = []
  const add = (node, kind, after) => {
    const start = node.getStart(tree)
    found.push({ file, line: tree.getLineAndCharacterOfPosition(start).line + 1, start, end: node.end, kind, before: source.slice(start, node.end), after })
  }
  visit(tree)
  return found

  function visit (node) {
    mutate(node)
    ts.forEachChild(node, visit)
  }

  function mutate (node) {
    switch (node.kind) {
      case Kind.BinaryExpression: return mutateBinary(node)
      case Kind.PrefixUnaryExpression:
      case Kind.PostfixUnaryExpression: return mutateStep(node)
      case Kind.IfStatement: return mutateIf(node)
      case Kind.WhileStatement: return negate(node.expression)
      case Kind.ConditionalExpression: return negate(node.condition)
      case Kind.ExpressionStatement: return mutateCall(node)
      case Kind.ReturnStatement: return mutateReturn(node)
      case Kind.TrueKeyword: return add(node, 'boolean changed', 'false')
      case Kind.FalseKeyword: return add(node, 'boolean changed', 'true')
      // Others are times and sizes: to change one a little is no fault.
      case Kind.NumericLiteral: if (['0', '1'].includes(node.text)) add(node, 'number changed', node.text === '0' ? '1' : '0')
    }
  }

  function mutateBinary ({ left, operatorToken, right }) {
    const operator = operatorToken.getText(tree)
    for (const other of COMPARISONS.get(operator) ?? []) add(operatorToken, 'comparison turned', other)
    if (LOGIC.has(operator)) add(operatorToken, 'condition changed', LOGIC.get(operator))
    // Of texts only a sum is made, and a difference of them would be seen by everybody.
    if (ARITHMETIC.has(operator) && ![left, right].some(isText)) add(operatorToken, 'arithmetic changed', ARITHMETIC.get(operator))
  }

  function mutateStep (node) {
    const operator = ts.tokenToString(node.operator)
    if (!STEPS.has(operator)) return
    const operand = node.operand.getText(tree)
    add(node, 'arithmetic changed', node.kind === Kind.PrefixUnaryExpression ? STEPS.get(operator) + operand : operand + STEPS.get(operator))
  }

  function mutateIf ({ expression, elseStatement }) {
    negate(expression)
    if (elseStatement === undefined) add(expression, 'check left out', 'false')
  }

  /** A comparison alone is turned anyway. */
  function negate (condition) {
    if (condition.kind === Kind.BinaryExpression && COMPARISONS.has(condition.operatorToken.getText(tree))) return
    add(condition, 'condition negated', `!(${condition.getText(tree)})`)
  }

  function mutateCall (statement) {
    const { expression } = statement
    const call = expression.kind === Kind.AwaitExpression ? expression.expression : expression
    const isCall = call.kind === Kind.CallExpression && call.expression.kind !== Kind.SuperKeyword
    if (isCall && !isDebugLine(statement.getText(tree))) add(statement, 'call left out', ';')
  }

  function mutateReturn (node) {
    const { expression } = node
    if (expression === undefined || expression.getText(tree) === 'undefined' || [Kind.TrueKeyword, Kind.FalseKeyword].includes(expression.kind)) return
    add(node, 'return changed', 'return undefined;')
  }
}

function isText ({ kind }) {
  return [Kind.StringLiteral, Kind.NoSubstitutionTemplateLiteral, Kind.TemplateExpression].includes(kind)
}
