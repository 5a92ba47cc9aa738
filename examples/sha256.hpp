// SPDX-License-Identifier: MIT
// SHA-256 by OpenSSL's libcrypto, as sha256sum prints it.
#pragma once

#include <openssl/evp.h>

#include <array>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>

namespace example {

class sha256 {
 public:
  sha256() {
    if (!hash_ || EVP_DigestInit_ex(hash_.get(), EVP_sha256(), nullptr) != 1)
      throw std::runtime_error("libcrypto has no SHA-256");
  }
  void add(const void* bytes, std::size_t size) { EVP_DigestUpdate(hash_.get(), bytes, size); }
  // The digest in hexadecimal. Nothing may be added any more.
  [[nodiscard]] std::string digest() {
    std::array<unsigned char, 32> digest{};
    EVP_DigestFinal_ex(hash_.get(), digest.data(), nullptr);
    std::string hex;
    for (const unsigned char byte : digest) {
      hex += "0123456789abcdef"[byte / 16];
      hex += "0123456789abcdef"[byte % 16];
    }
    return hex;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> hash_{EVP_MD_CTX_new(), EVP_MD_CTX_free};
};

}  // namespace example
