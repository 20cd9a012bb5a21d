import Foundation
import FoundationXML

/// An SVG file: its elements with their attributes and texts.
final class Picture: NSObject, XMLParserDelegate {
  struct Element {
    let name: String
    let attributes: [String: String]
    var text = ""
  }

  private(set) var elements: [Element] = []
  /// The indices of the elements that are open while the file is read.
  private var open: [Int] = []

  /// Returns nil if `source` is not well-formed.
  init?(_ source: String) {
    super.init()
    let parser = XMLParser(data: Data(source.utf8))
    parser.delegate = self
    guard parser.parse(), open.isEmpty else { return nil }
  }

  /// The numbers that sum something up, by what they count; nil for one that is not a number, or
  /// that is there twice.
  var totals: [String: UInt64?] {
    var totals: [String: UInt64?] = [:]
    for element in elements {
      guard let name = element.attributes["data-total"] else { continue }
      let number = UInt64(element.text.filter { $0 != "," })
      totals[name] = .some(totals[name] == nil ? number : nil)
    }
    return totals
  }

  /// The ranges of pages, in their order.
  var ranges: [String] { elements.compactMap { $0.attributes["data-range"] } }

  func parser(
    _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
    qualifiedName: String?, attributes: [String: String]
  ) {
    open.append(elements.count)
    elements.append(Element(name: name, attributes: attributes))
  }

  func parser(_ parser: XMLParser, foundCharacters text: String) {
    if let last = open.last { elements[last].text += text }
  }

  func parser(
    _ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?
  ) {
    open.removeLast()
  }
}
