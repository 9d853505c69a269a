// DSSE envelopes: bytes with the signatures over them (github.com/secure-systems-lab/dsse, protocol v1.0.2).
//
// An envelope has one written form, as `written` has it, and no other is taken: no byte of it can change unseen.

import Foundation

/// A key's id and its Ed25519 signature over the envelope's `signed` bytes.
struct Signature: Sendable {
    let key: ExactText
    let bytes: [UInt8]
}

struct Envelope: Sendable {
    let payload: [UInt8]
    let payloadType: ExactText
    let signatures: [Signature]

    /// The bytes that are signed: DSSE's pre-authentication encoding.
    var signed: [UInt8] {
        Array("DSSEv1 \(payloadType.utf8.count) ".utf8) + payloadType.utf8 + Array(" \(payload.count) ".utf8) + payload
    }

    /// The one written form: keys sorted, signatures by their keys, no white space, ASCII, standard base64.
    private var written: [UInt8] {
        let each = signatures.map { #"{"keyid":"\#($0.key)","sig":"\#(Data($0.bytes).base64EncodedString())"}"# }
        let payload = Data(payload).base64EncodedString()
        let text =
            #"{"payload":"\#(payload)","payloadType":"\#(payloadType)","signatures":[\#(each.joined(separator: ","))]}"#
        return Array(text.utf8)
    }

    private init(of data: [UInt8]) throws {
        let about = try parse(data)
        payload = try base64(about.text("payload"))
        payloadType = try about.text("payloadType")
        signatures = try about.members("signatures").map { one in
            Signature(key: try one.text("keyid"), bytes: try base64(one.text("sig")))
        }
    }

    init(payload: [UInt8], payloadType: ExactText, signatures: [Signature]) {
        (self.payload, self.payloadType, self.signatures) = (payload, payloadType, signatures)
    }

    /// Read one; `Refused`: envelope-malformed.
    static func read(_ data: [UInt8]) throws -> Envelope {
        guard let envelope = try? Envelope(of: data) else { throw Refused(.envelopeMalformed) }
        let names = envelope.signatures.map(\.key)
        let areSorted = zip(names, names.dropFirst()).allSatisfy { $0 < $1 }
        guard (names + [envelope.payloadType]).allSatisfy(isPrintable), areSorted, envelope.written == data else {
            throw Refused(.envelopeMalformed)
        }
        return envelope
    }
}

/// What JSON writers of every language write alike: printable ASCII without quotes and backslashes.
private func isPrintable(_ text: ExactText) -> Bool {
    text.consists { (0x20...0x7E).contains($0) && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }
}

private func base64(_ text: ExactText) throws -> [UInt8] {
    guard let data = Data(base64Encoded: Data(text.utf8)) else { throw Malformed("base64") }
    return Array(data)
}
