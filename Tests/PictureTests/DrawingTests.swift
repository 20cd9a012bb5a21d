import Foundation
import Testing

/// The pictures of the documentation.
@Suite("Pictures") struct DrawingTests {
  private static let drawings = (try? Drawing.all()) ?? []
  private static let dark = (try? Drawing.darkColours(Project.text("linker/dark.sed"))) ?? [:]
  /// What is written in, and what it is written on.
  private static let inks = ["#1d1d1f", "#4f5963", "#1f5fa8", "#c01c1c"]
  private static let fills = ["#eef1f4", "#dbe9f6", "#f6e3c8", "#cfe8d5", "#e7e0f3"]

  @Test func `there are pictures and colours`() {
    #expect(Self.drawings.count >= 6)
    #expect(Self.dark.count >= 20)
  }

  @Test(arguments: drawings.map(\.path))
  func `a picture can be read on light and dark pages`(path: String) throws {
    let drawing = try #require(Self.drawings.first { $0.path == path })
    #expect(drawing.findings(dark: Self.dark) == [])
  }

  @Test(arguments: drawings.map(\.path))
  func `a page of the catalogue has the picture, and says what is on it`(path: String) throws {
    let drawing = try #require(Self.drawings.first { $0.path == path })
    let folder = URL(filePath: path).deletingLastPathComponent().relativePath
    let files = try Project.output(of: "find", folder, "-name", "*.md")
    let pages = try files.split(separator: "\n").map { try Project.text(String($0)) }
    #expect(drawing.isDescribed(in: pages))
  }

  @Test(arguments: inks)
  func `what is written in a colour has enough contrast`(ink: String) throws {
    let darkInk = try #require(Self.dark[ink])
    #expect(Drawing.contrast(ink, "#ffffff") >= 4.5)
    #expect(Drawing.contrast(darkInk, "#0d1117") >= 4.5)
    for fill in Self.fills {
      let darkFill = try #require(Self.dark[fill])
      #expect(Drawing.contrast(ink, fill) >= 4.5, "on \(fill)")
      #expect(Drawing.contrast(darkInk, darkFill) >= 4.5, "on \(darkFill)")
    }
  }

  @Test func `contrast is that of the guidelines`() {
    #expect(Drawing.contrast("#000000", "#ffffff") == 21)
    #expect(Drawing.contrast("#777777", "#ffffff") < 4.5)
    #expect(Drawing.contrast("#767676", "#ffffff") > 4.5)
  }

  @Test(arguments: [
    ("<title>", "<g>", "not well-formed"),
    ("<title>a</title>", "", "no title"),
    ("width=\"700\"", "width=\"800\"", "wider than the text of a page, 760"),
    ("#1d1d1f", "#123456", "#123456 has no counterpart in linker/dark.sed"),
    ("x=\"650\"", "x=\"660\"", "a box beyond the edge"),
    ("height=\"9\"", "height=\"40\"", "a box beyond the edge"),
    ("14px", "9px", "9px is too small to read"),
  ])
  func `a mistake in a picture is detected`(old: String, new: String, finding: String) {
    let good = """
      <svg width="700" height="30"><title>a</title>
      <style>text { font: 14px sans; fill: #1d1d1f }</style>
      <rect x="650" y="10" width="50" height="9"/></svg>
      """
    #expect(Drawing(path: "a.svg", source: good).findings(dark: Self.dark) == [])
    let bad = good.replacing(old, with: new)
    #expect(Drawing(path: "a.svg", source: bad).findings(dark: Self.dark) == [finding])
  }

  @Test func `a picture without a description is detected`() {
    let drawing = Drawing(path: "Sources/A/A.docc/b.svg", source: "")
    let words = "Six boxes, of which three are locked by the cursor."
    #expect(drawing.isDescribed(in: ["![\(words)](b)"]))
    #expect(!drawing.isDescribed(in: ["![](b)", "![\(words)](c)", "b"]))
  }
}
