// error: cannot use mutating member on immutable value: 'reservation' is a 'let' constant
import Tessera

func take() throws(TesseraError) -> Int {
  let reservation = try HeapReservation<UInt64>(count: 1)
  _ = reservation.take(1)  // wrong
  return reservation.count
}
