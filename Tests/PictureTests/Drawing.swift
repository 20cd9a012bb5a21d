import Foundation

/// A picture of a catalogue, and what is wrong with it.
struct Drawing {
  /// The path from the top of the checkout.
  let path: String
  let source: String

  /// All pictures on light pages.
  static func all() throws -> [Drawing] {
    let files = try Project.output(of: "find", "Sources", "-path", "*.docc/*.svg")
    return try files.split(separator: "\n").map(String.init).sorted()
      .filter { !$0.hasSuffix("~dark.svg") }
      .map { try Drawing(path: $0, source: Project.text($0)) }
  }

  var name: String { URL(filePath: path).deletingPathExtension().lastPathComponent }

  /// Colours that have no counterpart in `dark`, fonts that are too small, and the like.
  func findings(dark: [String: String]) -> [String] {
    guard let picture = Picture(source), let root = picture.elements.first else {
      return ["not well-formed"]
    }
    var findings: [String] = []
    if !picture.elements.contains(where: { $0.name == "title" }) { findings.append("no title") }
    if Int(root.attributes["width"] ?? "").map({ $0 > 760 }) ?? true {
      findings.append("wider than the text of a page, 760")
    }
    for box in picture.elements where box.name == "rect" && !Self.fits(box, in: root) {
      findings.append("a box beyond the edge")
    }
    for match in source.matches(of: /#[0-9a-fA-F]{3,8}\b/) where dark[String(match.0)] == nil {
      findings.append("\(match.0) has no counterpart in linker/dark.sed")
    }
    for match in source.matches(of: /([0-9.]+)px/) where Double(match.1).map({ $0 < 12 }) ?? true {
      findings.append("\(match.0) is too small to read")
    }
    return findings
  }

  private static func fits(_ box: Picture.Element, in root: Picture.Element) -> Bool {
    func number(_ name: String) -> Double? { box.attributes[name].flatMap { Double($0) } }
    let size = ["width", "height"].map { root.attributes[$0].flatMap { Double($0) } ?? 0 }
    guard let x = number("x"), let y = number("y"), let width = number("width"),
      let height = number("height")
    else { return false }
    return x >= 0 && y >= 0 && x + width <= size[0] && y + height <= size[1]
  }

  /// Whether one of `pages` has the picture, and says in a sentence what is on it.
  func isDescribed(in pages: [String]) -> Bool {
    pages.contains { page in
      page.matches(of: /!\[([^\]]*)\]\(([^)]*)\)/).contains { $0.2 == name && $0.1.count >= 40 }
    }
  }

  /// The colours of light pages with those of dark ones, as `linker/dark.sed` lists them.
  static func darkColours(_ script: String) -> [String: String] {
    var colours: [String: String] = [:]
    for match in script.matches(of: /s\/(#[0-9a-f]{6})\/(#[0-9a-f]{6})\/g/) {
      colours[String(match.1)] = String(match.2)
    }
    return colours
  }

  /// The contrast of two colours, from 1 to 21, as the guidelines for accessible pages define it.
  static func contrast(_ first: String, _ second: String) -> Double {
    let (one, other) = (luminance(first), luminance(second))
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)
  }

  private static func luminance(_ colour: String) -> Double {
    let value = UInt32(colour.dropFirst(), radix: 16) ?? 0
    func linear(_ shift: UInt32) -> Double {
      let part = Double(value >> shift & 255) / 255
      return part <= 0.04045 ? part / 12.92 : pow((part + 0.055) / 1.055, 2.4)
    }
    return 0.2126 * linear(16) + 0.7152 * linear(8) + 0.0722 * linear(0)
  }
}
