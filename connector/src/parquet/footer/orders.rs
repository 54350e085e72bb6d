//! The orders of columns, by which readers compare bounds.
//!
//! The library declares IEEE 754's total order for doubles, which came into the format in 2025:
//! polars up to 1.42 and DataFusion up to 50 refuse such a file as a whole, and PyArrow and Spark
//! ignore its bounds. The order that a type has by itself (`TYPE_ORDER`) holds for the same bounds,
//! as `bounds` leaves them, and every reader knows it.

use parquet::errors::{ParquetError, Result};

/// The magic number and, before it, the length of the metadata.
const TAIL_BYTES: usize = 8;
/// The union `ColumnOrder` in Thrift's compact protocol: one field that is an empty structure, and
/// its end.
const ORDER_BYTES: usize = 3;
/// The field 1, `TYPE_ORDER`.
const TYPE_ORDER: [u8; ORDER_BYTES] = [0x1c, 0, 0];
/// The field 2, `IEEE_754_TOTAL_ORDER`.
const TOTAL_ORDER: [u8; ORDER_BYTES] = [0x2c, 0, 0];

/// Counts the last bytes of a file, from the orders of its columns on. Between them and the length
/// of the metadata, the metadata's own structure ends with one byte.
pub(in crate::parquet) fn orders_bytes(columns: usize) -> usize {
    columns * ORDER_BYTES + 1 + TAIL_BYTES
}

/// Declares the order of its type for each of `columns` columns, in the last bytes of a file:
/// `column_orders` is the last field of the metadata of a file that is not encrypted.
pub(in crate::parquet) fn declare_type_orders(bytes: &mut [u8], columns: usize) -> Result<()> {
    let begin = bytes.len().checked_sub(orders_bytes(columns));
    let orders = begin
        .and_then(|begin| bytes.get_mut(begin..begin + columns * ORDER_BYTES))
        .ok_or_else(unknown)?;
    for order in orders.chunks_exact_mut(ORDER_BYTES) {
        if order != TYPE_ORDER && order != TOTAL_ORDER {
            return Err(unknown());
        }
        order.copy_from_slice(&TYPE_ORDER);
    }
    Ok(())
}

/// The library writes its metadata in another way than the one that is known here.
fn unknown() -> ParquetError {
    ParquetError::General("the orders of columns are not where they are written".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_order_becomes_that_of_the_type_and_nothing_else_changes() {
        let mut bytes = vec![0x2c, 0, 0, 7];
        bytes.extend([TOTAL_ORDER, TYPE_ORDER, TOTAL_ORDER].concat());
        bytes.extend(b"\0\x0a\0\0\0PAR1");
        let mut expected = bytes.clone();
        for at in [4, 10] {
            expected[at] = 0x1c;
        }
        declare_type_orders(&mut bytes, 3).unwrap();
        assert_eq!(bytes, expected);
    }

    #[test]
    fn what_is_no_order_is_an_error() {
        let mut other = [&[0x3c, 0, 0][..], b"\0\x0a\0\0\0PAR1"].concat();
        assert!(declare_type_orders(&mut other, 1).is_err());
        assert!(declare_type_orders(&mut other, 2).is_err());
        assert!(declare_type_orders(&mut [], 0).is_err());
    }
}
