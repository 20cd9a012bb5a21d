@_exported public import TesseraBoot
@_exported public import TesseraFaults
@_exported public import TesseraFrames
@_exported public import TesseraHardware
@_exported public import TesseraHeap
@_exported public import TesseraPageTables
@_exported public import TesseraPager
@_exported public import TesseraSpaces

/// Tessera's version.
public enum Tessera {
  /// The version, as "major.minor.patch".
  public static var version: StaticString { "0.2.0" }
}
