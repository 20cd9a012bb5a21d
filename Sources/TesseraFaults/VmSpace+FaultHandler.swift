internal import TesseraHardware
public import TesseraSpaces

extension VmSpace {
  /// Sets the function that resolves this space's page faults, and the context it is called with.
  public mutating func handleFaults(with handler: @escaping PageFaultHandler, context: UInt = 0) {
    faultHandler = (handler, context)
  }

  /// Calls the space's fault handler. Returns whether the access can be tried again; false if there
  /// is no handler.
  public borrowing func handle(_ fault: PageFault) -> Bool {
    guard let faultHandler else { return false }
    return faultHandler.function(
      fault.address.rawValue, fault.errorCode.rawValue, faultHandler.context)
  }
}
